package ecs

import (
	"fmt"
	"net/http"
)

// failure is an error as AWS gives it; the SDK turns the code into its type.
type failure struct {
	status        int
	code, message string
}

func (f *failure) Error() string { return f.code + ": " + f.message }

func refuse(code, format string, args ...any) *failure {
	return &failure{http.StatusBadRequest, code, fmt.Sprintf(format, args...)}
}

// client is the failure of what the caller asks for.
func client(format string, args ...any) *failure {
	return refuse("ClientException", format, args...)
}

// invalid is the failure of how the caller asks.
func invalid(format string, args ...any) *failure {
	return refuse("InvalidParameterException", format, args...)
}

// unmodelled is the answer to what this package does not do. It is not a 500,
// which AWS's clients would try again and again.
func unmodelled(format string, args ...any) *failure {
	return &failure{http.StatusNotImplemented, "NotModelledLocally", fmt.Sprintf(format, args...) + " is not modelled locally"}
}
