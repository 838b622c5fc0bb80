package ecs

import (
	"fmt"
	"net/http"
)

// failure is an error in AWS's form; the SDK turns the code into its own type.
type failure struct {
	status        int
	code, message string
}

func (f *failure) Error() string { return f.code + ": " + f.message }

// The codes of most refusals.
const (
	clientException  = "ClientException"           // a request that AWS cannot fulfil
	invalidParameter = "InvalidParameterException" // a request with invalid parameters
)

func refuse(code, format string, args ...any) *failure {
	return &failure{http.StatusBadRequest, code, fmt.Sprintf(format, args...)}
}

// unmodelled is the answer to a request that this package does not model. It
// is not a 500, since AWS's clients would retry that.
func unmodelled(format string, args ...any) *failure {
	return &failure{http.StatusNotImplemented, "NotModelledLocally", fmt.Sprintf(format, args...) + " is not modelled locally"}
}
