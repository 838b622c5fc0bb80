package terraform

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// planOutput is from Terraform 1.11.4, shortened.
const planOutput = `data.aws_caller_identity.current: Reading...
module.service["api"].aws_iam_role.task: Refreshing state... [id=doc-staging-api-task]
data.aws_caller_identity.current: Read complete after 0s [id=123456789012]
module.service["api"].aws_ecs_service.this: Refreshing state... [id=arn:aws:ecs:us-west-2:1:service/c/api]

Terraform will perform the following actions:

  # module.service["api"].aws_ecs_service.this will be updated in-place
  ~ resource "aws_ecs_service" "this" {
      ~ description = "a: Refreshing state..." -> "x: Read complete after "
    }

Plan: 0 to add, 1 to change, 0 to destroy.
`

func TestReadCounter(t *testing.T) {
	for size := 1; size <= len(planOutput); size++ {
		var c readCounter
		for piece := range slices.Chunk([]byte(planOutput), size) {
			_, _ = c.Write(piece)
		}
		if got := c.read.Load(); got != 3 {
			t.Fatalf("in pieces of %d: read %d resources, want 3", size, got)
		}
	}
}

func TestTellPlanning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c readCounter
		var got []Event
		end := tellPlanning(&c, func(e Event) { got = append(got, e) })
		time.Sleep(20 * time.Second)
		_, _ = c.Write([]byte(planOutput))
		time.Sleep(20 * time.Second)
		end()
		time.Sleep(time.Minute)
		want := []Event{
			{Kind: Planning, Elapsed: 15 * time.Second},
			{Kind: Planning, Elapsed: 30 * time.Second, Read: 3},
		}
		if !slices.Equal(got, want) {
			t.Errorf("told %v, want %v", got, want)
		}
	})
}
