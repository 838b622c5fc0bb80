package terraform

import (
	"errors"
	"testing"
)

func TestClassify(t *testing.T) {
	tests := []struct {
		name, text, want string
		is               func(error) bool
	}{
		{"stale", "exit status 1\nError: Saved plan is stale\n\nThe given plan file can no longer be applied",
			"the plan is stale: the state has changed since it was made",
			func(err error) bool { _, ok := errors.AsType[*StalePlanError](err); return ok }},
		{"bucket", "Error: Failed to get existing workspaces: S3 bucket \"x\" does not exist.",
			"the state bucket does not exist",
			func(err error) bool { _, ok := errors.AsType[*NoBucketError](err); return ok }},
		{"frame, colours and warnings", "\x1b[33m╷\x1b[0m\n│ Warning: old\n╵\n\x1b[31m╷\x1b[0m\n│ Error: new\n│ more\n╵",
			"Error: new\nmore",
			func(err error) bool { _, ok := errors.AsType[*CommandError](err); return ok }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := classify(errors.New(tt.text))
			if err.Error() != tt.want || !tt.is(err) {
				t.Errorf("classify = %T %q, want %q", err, err, tt.want)
			}
		})
	}
}
