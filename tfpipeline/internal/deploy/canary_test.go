package deploy

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
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
				p.Redactor = NewRedactor(known)
				disturb(w, p)
				r, err := p.promote(t.Context(), Request{Tag: "v1.2", OverrideProof: text})
				out := map[string]any{"events": p.events, "records": w.records, "notified": w.notified, "returned": r}
				for id, j := range w.journals {
					out["journal "+id] = string(j)
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
				d, err := NewDossier(evidence, r, p.Redactor)
				if err != nil {
					t.Fatal(err)
				}
				out["markdown"], out["json"] = d.Markdown, string(d.JSON)
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

func TestRedactorLeavesWhatPeopleNeed(t *testing.T) {
	for _, text := range []string{
		"arn:aws:ecs:us-west-2:123456789012:service-deployment/doc-platform-production/api/ejGvqq2ilnbKT9qj0vLJe",
		"service api: deployment ejGvqq2ilnbKT9qj0vLJe is rolled back (3 of 3 failures trip the circuit breaker)",
		"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 never ran there",
		"the checkout is at 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12",
		"(service doc-platform-production-frontend) has started 1 tasks: (task 0c9a5c5f1d4e4b8e9a1d2c3b4a5f6e7d).",
		"secret production/doc-platform/invite-keys has no value: store the invitation keys",
		"20261123T085400Z-abcdef-migrate-1",
		"ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed",
		"123456789012.dkr.ecr.us-west-2.amazonaws.com/doc-platform/api@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		"tfpipeline promote -env production -release v1.2 -reviewed 7c4a8d09ca3762af61e59520943dc26494f8941b",
		"ThrottlingException: Rate exceeded (HTTP 400, request 5f0a3c1e-9b1d-4f5e-8c7a-2b3c4d5e6f70, 5 attempts)",
	} {
		if got := (Redactor{}).Hide(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}
