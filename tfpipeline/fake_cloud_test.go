package main

import (
	"net/http"
	"strings"

	"github.com/specboard/platform/gen/config"
)

// fakeCloud is as much of AWS, with state and on the wire, as the scripts
// need: the caller's identity.
type fakeCloud struct{ platform config.Platform }

func newFakeCloud(p config.Platform) *fakeCloud { return &fakeCloud{platform: p} }

func (c *fakeCloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	http.Error(w, "the fake cloud does not know "+r.Method+" "+r.URL.Path+" "+strings.Join(r.Header["X-Amz-Target"], ""), http.StatusNotImplemented)
}
