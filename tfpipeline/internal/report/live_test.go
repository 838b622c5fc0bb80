package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// In a workflow the log of a task is folded away, and nothing else is; elsewhere
// there are no groups.
func TestTaskLogsAreFolded(t *testing.T) {
	logged := func(task, message string) deploy.Event {
		return deploy.Event{Kind: deploy.EventLog, Service: task, Message: message}
	}
	for _, test := range []struct {
		env    []string
		events []deploy.Event
		want   []string
	}{
		{[]string{"GITHUB_ACTIONS=true"}, []deploy.Event{
			{Kind: deploy.EventWait, Message: "waits"}, logged("migrate", "one"), logged("migrate", "two"), {Kind: deploy.EventWait, Message: "ended"},
		}, []string{"waits", "::group::log of migrate", "one", "two", "::endgroup::", "ended"}},
		{[]string{"GITHUB_ACTIONS=true"}, []deploy.Event{logged("migrate", "one"), logged("seed", "two")},
			[]string{"::group::log of migrate", "one", "::endgroup::", "::group::log of seed", "two", "::endgroup::"}},
		{nil, []deploy.Event{logged("migrate", "one"), {Kind: deploy.EventWait, Message: "ended"}}, []string{"one", "ended"}},
	} {
		var b bytes.Buffer
		live := NewLive(&console.Console{Out: &b, Err: &b, Env: test.env}, view.Promotion{Environment: "staging", Kind: deploy.KindPromote}, false)
		b.Reset() // the title
		for _, e := range test.events {
			live.Observe(e)
		}
		live.Close()
		var got []string
		for line := range strings.Lines(b.String()) {
			fields := strings.Fields(line)
			if !strings.HasPrefix(line, "::") {
				fields = fields[len(fields)-1:]
			}
			got = append(got, strings.Join(fields, " "))
		}
		if d := cmp.Diff(test.want, got); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
	}
}
