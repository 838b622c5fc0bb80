package console_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/specboard/platform/tfpipeline/internal/console"
)

// A failure is shown once at the top of a workflow's run, whatever it says.
func TestAnnotations(t *testing.T) {
	var b bytes.Buffer
	c := &console.Console{Err: &b, Env: []string{"GITHUB_ACTIONS=true"}}
	end := c.Group("plan")
	end()
	c.Annotate(console.Notice, "superseded by v1")
	c.Fail(console.WithNext(errors.New("100%\r\n::set-output name=x::y"), "tfpipeline help"))
	want := "::group::plan\n::endgroup::\n::notice::superseded by v1\n" +
		"tfpipeline: 100%\\x0d\n\\x3a:set-output name=x::y\nnext: tfpipeline help\n" +
		"::error::100%25\\x0d%0A\\x3a:set-output name=x::y%0Anext: tfpipeline help\n"
	if b.String() != want {
		t.Errorf("%q, want\n%q", b.String(), want)
	}
	b.Reset()
	c.Env = nil
	c.Group("plan")()
	c.Annotate(console.Notice, "superseded by v1")
	if b.Len() > 0 {
		t.Errorf("outside of a workflow: %q", b.String())
	}
}
