package ecs

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// What the tests of the runtime see of its inside.
const (
	TargetPrefix     = targetPrefix
	ReasonRolledBack = reasonRolledBack
)

// ErrDropped is what a client sees of a dropped connection.
var ErrDropped = errDropped

// Everything compares unexported members too.
var Everything = everything

// Launches are the tasks that the runtime remembers of a revision, as the API
// describes them.
func (r *Runtime) Launches(short string) (all []types.Task) {
	r.lock()
	defer r.unlock()
	for _, t := range r.tasks {
		if t.def.short() == short {
			all = append(all, t.api)
		}
	}
	return all
}

func TestThresholdIsHalfTheDesiredCountWithinBounds(t *testing.T) {
	for desired, want := range map[int32]int{0: 3, 1: 3, 6: 3, 7: 4, 25: 13, 400: 200, 800: 200} {
		s := &service{api: types.Service{DesiredCount: desired}}
		if got := s.threshold(); got != want {
			t.Errorf("desired %d: threshold %d, want %d", desired, got, want)
		}
	}
}
