package ecs

import (
	"reflect"
	"slices"
	"strings"
	"time"
)

// Call is one call to the API, successful or not.
type Call struct {
	At        time.Time
	Operation string
	// Input is the SDK's input, such as *ecs.UpdateServiceInput; nil if it
	// could not be read.
	Input any
	// Status is the HTTP status; 0 if the connection was dropped before
	// anything was done. Code is AWS's error code, "" for success.
	Status int
	Code   string
	// Fault says that the caller saw an injected fault.
	Fault bool

	failure *failure
}

func (c *Call) fail(f *failure) {
	if f == nil {
		return
	}
	c.failure, c.Status, c.Code = f, f.status, f.code
}

// String names the operation and its subject, for tests to compare:
// "DescribeServices api frontend", "UpdateService api ThrottlingException".
func (c Call) String() string {
	words := append([]string{c.Operation}, c.Names()...)
	if c.Code != "" {
		words = append(words, c.Code)
	}
	return strings.Join(words, " ")
}

// subjects are the fields of an input that name its subject.
var subjects = []string{
	"Service", "Services", "ServiceName", "TaskDefinition", "Family", "Task", "Tasks", "Clusters", "ClusterName",
	"ServiceDeploymentArn", "ServiceDeploymentArns", "ServiceRevisionArns", "TaskDefinitions", "FamilyPrefix", "ResourceArn",
}

// Names are the short names of the call's subjects, in the order of the input:
// services, task definitions as family:revision, ids of everything else.
func (c Call) Names() []string {
	if c.Input == nil {
		return nil
	}
	var names []string
	input := reflect.ValueOf(c.Input).Elem()
	for _, subject := range subjects {
		switch v := input.FieldByName(subject); {
		case !v.IsValid():
		case v.Kind() == reflect.Pointer && !v.IsNil() && v.Elem().Kind() == reflect.String:
			names = append(names, lastPart(v.Elem().String()))
		case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.String:
			for i := range v.Len() {
				names = append(names, lastPart(v.Index(i).String()))
			}
		}
	}
	return names
}

// Calls returns the calls so far, oldest first: those of the given operations,
// or all.
func (r *Runtime) Calls(operations ...string) []Call {
	r.lock()
	defer r.unlock()
	return slices.DeleteFunc(slices.Clone(r.calls), func(c Call) bool {
		return len(operations) > 0 && !slices.Contains(operations, c.Operation)
	})
}

// ForgetCalls empties the list of calls.
func (r *Runtime) ForgetCalls() {
	r.lock()
	defer r.unlock()
	r.calls = nil
}
