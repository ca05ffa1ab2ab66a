package checks

import "errors"

// errNotYet refuses what is not built yet.
var errNotYet = errors.New("this kind of check is not built yet")
