package metrics

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"hakeep/internal/status"
)

// many is a document with n instances.
func many(n int) *status.Document {
	d := document()
	for i := range n - len(d.Instances) {
		in := d.Instances[i%2]
		in.Name = fmt.Sprintf("VI_many_%d", i)
		d.Instances = append(d.Instances, in)
	}
	return d
}

func BenchmarkScrape(b *testing.B) {
	for _, n := range []int{4, 255, 4080} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			doc := many(n)
			get := func(context.Context) (*status.Document, error) { return doc, nil }
			h := Handler(get, get)
			b.ReportAllocs()
			var size int
			for b.Loop() {
				w := httptest.NewRecorder()
				req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
				req.Header.Set("Accept-Encoding", "gzip")
				h.ServeHTTP(w, req)
				z, err := gzip.NewReader(w.Body)
				if err != nil {
					b.Fatal(err)
				}
				k, err := io.Copy(io.Discard, z)
				if err != nil {
					b.Fatal(err)
				}
				size = int(k)
			}
			b.ReportMetric(float64(size), "bytes/scrape")
		})
	}
}
