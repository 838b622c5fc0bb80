package ecstest

import (
	"net/http"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
)

// Throttle refuses the next n calls of the operations, or of all, as AWS does
// when they come too fast. The SDK's retries count as calls.
func Throttle(n int, operations ...string) ecs.Fault {
	return ecs.Fault{Operations: operations, Count: n, Code: "ThrottlingException", Message: "Rate exceeded"}
}

// ThrottleFor refuses calls as Throttle does, for so long.
func ThrottleFor(d time.Duration, operations ...string) ecs.Fault {
	return ecs.Fault{Operations: operations, For: d, Code: "ThrottlingException", Message: "Rate exceeded"}
}

// Unavailable answers the next n calls with 503.
func Unavailable(n int, operations ...string) ecs.Fault {
	return ecs.Fault{Operations: operations, Count: n, Status: http.StatusServiceUnavailable, Code: "ServiceUnavailableException", Message: "Service Unavailable"}
}

// Drop cuts the connections of the next n calls before anything is done.
func Drop(n int, operations ...string) ecs.Fault {
	return ecs.Fault{Operations: operations, Count: n, Drop: true}
}

// LoseAnswer does what the next n calls ask, and cuts their connections.
func LoseAnswer(n int, operations ...string) ecs.Fault {
	return ecs.Fault{Operations: operations, Count: n, Drop: true, Answered: true}
}
