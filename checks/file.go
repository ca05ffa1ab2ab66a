package checks

// Values says what a track_file holds.
type Values interface {
	// Value is the number in the file, as it was read last; ok is false while there
	// is none.
	Value(name string) (value int64, ok bool)
}

// File takes the value of a track_file (keepalived: FILE_CHECK).
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

// Checker is not there yet.
func (c File) Checker(*Pinger) (Checker, error) { return nil, errNotYet }
