package deploy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A record keeps the first end of each service and the latest events, and an index
// nothing of it.
func TestKeptEvidence(t *testing.T) {
	if kept := (Evidence{}).kept(); kept != nil {
		t.Errorf("of nothing: %+v", kept)
	}
	at := func(i int) time.Time { return time.Unix(int64(i), 0) }
	e := Evidence{Events: map[string][]ServiceEvent{}, Gaps: make([]string, 50)}
	for i := range 60 {
		name := fmt.Sprint("s", i%30)
		log := make([]LogLine, 100)
		for j := range log {
			log[j].Message = fmt.Sprint(j, strings.Repeat("ö", 1000))
		}
		e.Stopped = append(e.Stopped, StoppedTask{ARN: fmt.Sprint(i), Name: name, StopCode: "EssentialContainerExited", Stopped: at(i), Log: log})
		e.Events["api"] = append(e.Events["api"], ServiceEvent{Time: at(60 - i), Message: fmt.Sprint(60 - i)})
	}
	kept := e.kept()
	if len(kept.Stopped) != keptTasks || kept.Stopped[0].ARN != "0" || len(kept.Gaps) != keptEvents {
		t.Errorf("%d tasks, the first %s; %d gaps", len(kept.Stopped), kept.Stopped[0].ARN, len(kept.Gaps))
	}
	if log := kept.Stopped[0].Log; len(log) != keptLines || !strings.HasPrefix(log[0].Message, "80ö") || !strings.HasSuffix(log[0].Message, "ö…") || len(log[0].Message) > keptText+3 {
		t.Errorf("%d lines, the first %q", len(log), log[0].Message)
	}
	if events := kept.Events["api"]; len(events) != keptEvents || events[9].Message != "60" {
		t.Errorf("events %v", events)
	}
	if len(e.Stopped[0].Log) != 100 {
		t.Error("what the dossier shows was cut as well")
	}
	x := NewIndex("staging")
	x.Add(Record{ID: "a", Outcome: RolledBack, Evidence: kept})
	if x.Last == nil || x.Last.Evidence != nil {
		t.Errorf("the index has %+v", x.Last)
	}
}

// The container whose end was the task's is told from those that ended with it.
func TestEnded(t *testing.T) {
	code := func(n int) *int { return &n }
	c := func(name string, exit *int, reason string) StoppedContainer {
		return StoppedContainer{Name: name, ExitCode: exit, Reason: reason}
	}
	optional := c("warmup", code(1), "")
	optional.Optional = true
	proxy := c("ecs-service-connect-a1b2", code(0), "")
	for name, test := range map[string]struct {
		containers []StoppedContainer
		code, want string
	}{
		"a sidecar fails":                   {[]StoppedContainer{c("api", code(143), ""), c("otel", code(1), ""), proxy}, "EssentialContainerExited", "otel"},
		"the service fails":                 {[]StoppedContainer{c("api", code(2), ""), c("otel", code(0), ""), proxy}, "EssentialContainerExited", "api"},
		"both fail":                         {[]StoppedContainer{c("otel", code(1), ""), c("api", code(2), "")}, "EssentialContainerExited", "api"},
		"a sidecar ends well":               {[]StoppedContainer{c("api", code(143), ""), c("otel", code(0), ""), proxy}, "EssentialContainerExited", "otel"},
		"both end well":                     {[]StoppedContainer{c("api", code(0), ""), c("otel", code(0), "")}, "EssentialContainerExited", ""},
		"a sidecar has too little memory":   {[]StoppedContainer{c("api", code(143), ""), c("otel", code(137), "OutOfMemoryError: container killed due to memory usage")}, "EssentialContainerExited", "otel"},
		"it alone":                          {[]StoppedContainer{c("api", code(0), ""), proxy}, "EssentialContainerExited", "api"},
		"ECS stopped it":                    {[]StoppedContainer{c("api", code(1), "")}, "ServiceSchedulerInitiated", ""},
		"an optional sidecar failed before": {[]StoppedContainer{optional, c("api", code(0), ""), c("otel", code(143), "")}, "EssentialContainerExited", "api"},
		"and the service was killed":        {[]StoppedContainer{optional, c("api", code(137), ""), proxy}, "EssentialContainerExited", "api"},
		"no code":                           {[]StoppedContainer{c("api", nil, ""), c("otel", nil, "")}, "EssentialContainerExited", ""},
	} {
		if got := (StoppedTask{Name: "api", StopCode: test.code, Containers: test.containers}).Ended(); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
