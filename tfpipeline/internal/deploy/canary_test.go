package deploy

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/redact"
)

// canaries are secrets: one that the redactor is told of, and others that it
// has to know by their looks.
func canaries() (known string, values []string, text string) {
	known = "plain words nobody would suspect"
	values = []string{
		known, "hunter2hunter2", "s3cr3tpw", "AKIAIOSFODNN7EXAMPLE", "q9Xv2LmZ8rTb4KpW7nYc3HdF6sJg1AeU5oRi",
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N", "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "tops3cretkey",
	}
	text = fmt.Sprintf("%s DB_PASSWORD=%s postgres://app:%s@db:5432/app %s %s Bearer %s token %s {\"session_secret\": \"%s\"}",
		values[0], values[1], values[2], values[3], values[4], values[5], values[6], values[7])
	return known, values, text
}

// TestNoSecretLeaves puts secrets into everything that comes from elsewhere, and
// looks for them in everything that goes out.
func TestNoSecretLeaves(t *testing.T) {
	known, values, text := canaries()
	for name, disturb := range map[string]func(w *world, p *process){
		"migration": func(w *world, p *process) {
			w.taskEnds = func(string, int) taskEnd {
				return taskEnd{after: time.Second, code: new(1), reason: text, log: []string{"connecting", text}}
			}
		},
		"deployment": func(w *world, p *process) {
			w.taskEnds = func(string, int) taskEnd { return taskEnd{after: time.Second, code: new(0), log: []string{text}} }
			w.behave = func(service, digest string) behaviour {
				return behaviour{after: time.Second, fails: service == "api", reason: text}
			}
		},
		"error": func(w *world, p *process) { p.failure = errors.New(text); p.inject[point{StepPlan, "Plan", 1}] = fails },
		"transient": func(w *world, p *process) {
			p.failure = errors.New(text)
			p.inject[point{StepRegister, "Tag", 1}] = throttled
		},
		"override": func(w *world, p *process) {},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				p := w.start()
				p.Redactor = redact.New(known)
				disturb(w, p)
				r, err := p.promote(t.Context(), Request{Tag: "v1.2", OverrideProof: text})
				out := map[string]any{"events": p.events, "records": w.records, "notified": w.notified, "returned": r}
				for id, j := range w.journals {
					out["journal "+id] = j
				}
				evidence := Evidence{
					Events:      map[string][]ServiceEvent{"api": {{Message: text}}},
					Stopped:     []StoppedTask{{Reason: text, Containers: []StoppedContainer{{Reason: text}}, Log: []LogLine{{Message: text}}}},
					Deployments: []Breaker{{Reason: text}}, Targets: map[string]Targets{"api": {Reasons: []string{text}}}, Gaps: []string{text},
				}
				if e, ok := errors.AsType[*Error](err); ok {
					out["error"], out["next"], out["left"], out["evidence"] = e.Error(), e.Next, e.Left, e.Evidence
				}
				r.Error, r.Left = text, []string{text}
				out["a record"], out["evidence of all kinds"] = hideRecord(p.Redactor, r), hideEvidence(p.Redactor, evidence)
				for where, v := range out {
					b, err := json.Marshal(v)
					if err != nil {
						t.Fatal(err)
					}
					for _, secret := range values {
						if i := strings.Index(string(b), secret); i >= 0 {
							t.Errorf("%s holds %q: …%s", where, secret, b[max(0, i-60):i+len(secret)])
						}
					}
				}
			})
		})
	}
}
