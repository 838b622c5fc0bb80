package deploy

import "testing"

// The container whose end was the task's is told from those that ended with it.
func TestEnded(t *testing.T) {
	code := func(n int) *int { return &n }
	c := func(name string, exit *int, reason string) StoppedContainer {
		return StoppedContainer{Name: name, ExitCode: exit, Reason: reason}
	}
	proxy := c("ecs-service-connect-a1b2", code(0), "")
	for name, test := range map[string]struct {
		containers []StoppedContainer
		code, want string
	}{
		"a sidecar fails":                 {[]StoppedContainer{c("api", code(143), ""), c("otel", code(1), ""), proxy}, "EssentialContainerExited", "otel"},
		"the service fails":               {[]StoppedContainer{c("api", code(2), ""), c("otel", code(0), ""), proxy}, "EssentialContainerExited", "api"},
		"both fail":                       {[]StoppedContainer{c("otel", code(1), ""), c("api", code(2), "")}, "EssentialContainerExited", "api"},
		"a sidecar ends well":             {[]StoppedContainer{c("api", code(143), ""), c("otel", code(0), ""), proxy}, "EssentialContainerExited", "otel"},
		"both end well":                   {[]StoppedContainer{c("api", code(0), ""), c("otel", code(0), "")}, "EssentialContainerExited", ""},
		"a sidecar has too little memory": {[]StoppedContainer{c("api", code(143), ""), c("otel", code(137), "OutOfMemoryError: container killed due to memory usage")}, "EssentialContainerExited", "otel"},
		"it alone":                        {[]StoppedContainer{c("api", code(0), ""), proxy}, "EssentialContainerExited", "api"},
		"ECS stopped it":                  {[]StoppedContainer{c("api", code(1), "")}, "ServiceSchedulerInitiated", ""},
		"no code":                         {[]StoppedContainer{c("api", nil, ""), c("otel", nil, "")}, "EssentialContainerExited", ""},
	} {
		if got := (StoppedTask{Name: "api", StopCode: test.code, Containers: test.containers}).Ended(); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
