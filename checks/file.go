package checks

import (
	"context"
	"errors"
	"fmt"
	"math"
)

// Values says what a track_file holds.
type Values interface {
	// Value is the number in the file, as it was read last; ok is false while there
	// is none, which counts as 0.
	Value(name string) (value int64, ok bool)
}

// File takes the value of a track_file (keepalived: FILE_CHECK). It looks at what
// Values has, not at the file: [Runner.Hurry] lets it look when that changed.
type File struct {
	// Name is that of the track_file.
	Name string
	// Weight multiplies the value; what comes out is added to the weight of the
	// server. With 0 the server is up while the value is 0.
	Weight int
	// Reverse takes the product's negative; with Weight 0 the server is up while
	// the value is not 0.
	Reverse bool
	// Values is asked at every attempt, from any goroutine. Two targets are the same
	// only with the same Values.
	Values Values `json:"-"`
}

var _ Target = File{}

// Checker makes the check.
func (c File) Checker(*Pinger) (Checker, error) {
	if c.Name == "" || c.Values == nil {
		return nil, errors.New("file: no track_file")
	}
	return fileChecker{c}, nil
}

// fileChecker is a File made ready.
type fileChecker struct{ File }

var _ Checker = fileChecker{}

// Check looks at the value.
func (c fileChecker) Check(context.Context) Result {
	value, _ := c.Values.Value(c.Name)
	res := Result{OK: true, Detail: fmt.Sprintf("value %d", value)}
	if c.Weight == 0 {
		res.OK = (value == 0) != c.Reverse
		return res
	}
	res.Add = times(value, c.Weight)
	if c.Reverse {
		res.Add = -res.Add
	}
	res.Detail += fmt.Sprintf(", weight %+d", res.Add)
	return res
}

// times multiplies, within what a weight can mean: a sum of 65535s.
func times(value int64, weight int) int {
	const most = math.MaxInt32
	value = min(max(value, -most), most)
	return int(min(max(value*int64(min(max(weight, -most), most)), -most), most))
}
