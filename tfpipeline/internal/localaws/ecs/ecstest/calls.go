package ecstest

import (
	"path"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
)

// Calls remembers the calls to a runtime, if its Add is the runtime's Called.
type Calls struct {
	mu  sync.Mutex
	all []ecs.Call // oldest first
}

// Add remembers a call.
func (c *Calls) Add(call ecs.Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, call)
}

// Of returns the calls so far, oldest first: those of the given operations, or all.
func (c *Calls) Of(operations ...string) []ecs.Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.all), func(call ecs.Call) bool {
		return len(operations) > 0 && !slices.Contains(operations, call.Operation)
	})
}

// Forget forgets all calls so far.
func (c *Calls) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = nil
}

// Describe names a call's operation and its subject: "DescribeServices api frontend",
// "UpdateService api ThrottlingException".
func Describe(c ecs.Call) string {
	words := append([]string{c.Operation}, subjectsOf(c)...)
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

// subjectsOf are the short names of a call's subjects, in the order of the input:
// services, task definitions as family:revision, ids of everything else.
func subjectsOf(c ecs.Call) []string {
	if c.Input == nil {
		return nil
	}
	var names []string
	input := reflect.ValueOf(c.Input).Elem()
	for _, subject := range subjects {
		switch v := input.FieldByName(subject); {
		case !v.IsValid():
		case v.Kind() == reflect.Pointer && !v.IsNil() && v.Elem().Kind() == reflect.String:
			names = append(names, path.Base(v.Elem().String()))
		case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.String:
			for i := range v.Len() {
				names = append(names, path.Base(v.Index(i).String()))
			}
		}
	}
	return names
}
