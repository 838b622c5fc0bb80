package view_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

// dashboard is one of the usual kind: staging is ahead, production has seen a
// failure.
func dashboard() view.Dashboard {
	healthy := func(env, url, tag string) view.Panel {
		p := view.Panel{
			Status: view.Status{
				Environment: env, URL: url, Time: at("08:10:00"), Release: &deploy.Release{Tag: tag, Commit: "c0ffee0123456789"}, Record: "20261123T060000Z-aaaaaa",
				Since: at("07:00:00"), By: "ada", Alarms: []view.Alarm{{Name: "doc-platform-" + env + "-database-cpu"}},
			},
			History: view.History{Environment: env},
		}
		for i, name := range []string{"api", "frontend", "mcp"} {
			p.Services = append(p.Services, view.ServiceStatus{
				Name: name, Known: true, TaskDefinition: fmt.Sprintf("%s%s:%d", family, name, 42+i), Desired: 2, Running: 2, Digests: []string{good}, Release: true,
				Deployment: deploy.DeploymentSuccessful, Targets: &deploy.Targets{Healthy: 2},
			})
		}
		return p
	}
	staging, production := healthy("staging", "https://staging.specboard.io", "v1.5.0"), healthy("production", "https://specboard.io", "v1.4.0")
	failed, done := record(), record()
	failed.Release = deploy.Release{Tag: "v1.5.0", Commit: "decade"}
	failed.Steps = stepTimes(failed.Started, "lock", 1, "resolve", 1, "preflight", 3, "plan", 28, "migrate", 9, "apply", 18, "register", 1, "update", 2, "watch", 140, "roll back", 99)
	done.ID, done.Outcome, done.Step, done.Error, done.Left, done.Next = "20261123T060000Z-aaaaaa", deploy.Deployed, "", "", nil, nil
	done.Started, done.Ended = at("06:55:00"), at("07:00:00")
	done.Steps = stepTimes(done.Started, "lock", 1, "resolve", 1, "preflight", 3, "plan", 25, "migrate", 9, "apply", 18, "update", 2, "watch", 150, "verify", 90)
	crashed := 2
	failed.Evidence = &deploy.Evidence{
		Stopped: []deploy.StoppedTask{{
			ARN: "arn:aws:ecs:us-west-2:123456789012:task/doc-platform-production/0a1b2c3d", Name: "api", StopCode: "EssentialContainerExited",
			Reason: "Essential container in task exited", Stopped: at("08:02:11"), Containers: []deploy.StoppedContainer{{Name: "api", ExitCode: &crashed}},
			Log: []deploy.LogLine{{Time: at("08:02:09"), Message: "listening on :3001"}, {Time: at("08:02:10"), Message: "panic: no column watchers"}},
		}},
		Events:  map[string][]deploy.ServiceEvent{"api": {{Time: at("08:02:12"), Message: "(service api) has started 1 tasks: (task 0a1b2c3d)."}}},
		Targets: map[string]deploy.Targets{"api": {Healthy: 1, Unhealthy: 1, Reasons: []string{"Target.FailedHealthChecks"}}},
	}
	production.History.Records = []deploy.Record{failed, done}
	production.Last = &failed
	production.Behind = &view.Behind{
		From: "staging", Count: 23, Commits: []view.Commit{{Hash: "decade0", Subject: "Say who watches a document"}, {Hash: "c0ffee1", Subject: "Create document_watchers"}},
		Migrations: []string{"0017_create_document_watchers.sql"},
	}
	production.Drift = &view.DriftSummary{Time: at("05:47:00"), Real: []string{"changed module.api.aws_ecs_service.this"}, Accepted: 2}
	production.Alarms = append(production.Alarms, view.Alarm{Name: "doc-platform-production-api-cpu", Ringing: true, Since: at("08:02:00"), Reason: "Threshold Crossed: 5 datapoints were greater than the threshold (80.0)."})
	done.Environment = "staging"
	restarted := done
	restarted.ID, restarted.Kind, restarted.Outcome, restarted.Steps = "20261123T073000Z-bbbbbb", deploy.KindRestart, deploy.Done, nil
	restarted.Started, restarted.Ended = at("07:30:00"), at("07:32:00")
	restarted.Services = map[string]*deploy.ServiceRecord{"api": {}}
	staging.History.Records = []deploy.Record{restarted, done}
	return view.Dashboard{Shared: &view.DriftSummary{Time: at("05:47:00"), Pending: 1}, Platform: "doc-platform", Repository: "https://github.com/specboard/doc-platform", Time: at("08:10:00"), Panels: []view.Panel{staging, production}}
}

// stepTimes are steps one after the other, each with its seconds.
func stepTimes(began time.Time, list ...any) []deploy.StepTime {
	var steps []deploy.StepTime
	for i := 0; i < len(list); i += 2 {
		end := began.Add(time.Duration(list[i+1].(int)) * time.Second)
		steps = append(steps, deploy.StepTime{Step: deploy.StepName(list[i].(string)), Started: began, Ended: end})
		began = end
	}
	return steps
}

// dashboards are the states that a dashboard may meet.
func dashboards() map[string]view.Dashboard {
	usual, empty, broken, flight := dashboard(), dashboard(), dashboard(), dashboard()

	empty.Panels = nil
	for _, env := range []string{"staging", "production"} {
		empty.Panels = append(empty.Panels, view.Panel{Status: view.Status{Environment: env, URL: "https://" + env, Problems: []string{"there is nothing yet: tfpipeline bootstrap -env " + env}}})
	}

	p := &broken.Panels[1]
	p.Fill([]string{"api"}, view.Observation{
		Skipped:   []deploy.Skipped{{Key: "history/production/notes.txt", Reason: "the key is not that of a record"}},
		LockError: errors.New("read locks/production.json: it is not a lease"), AlarmsError: errors.New("read the alarms: AccessDenied"),
	})
	p.Services, p.Release, p.Behind = p.Services[3:], nil, &view.Behind{From: "staging", Unknown: "no commit decade in this checkout: git fetch"}
	killed := record()
	killed.Outcome, killed.Ended, killed.Steps = "", time.Time{}, nil
	p.History = view.History{Environment: "production", Unfinished: []deploy.Journal{{Step: deploy.StepUpdate, Record: killed}}}
	broken.Panels[0] = view.Panel{Unread: true, Status: view.Status{Environment: "staging", URL: "https://staging.specboard.io", Problems: []string{"could not be read: staging: dial tcp: i/o timeout"}}}

	p = &flight.Panels[1]
	p.Lock = status().Lock
	p.Lock.Age, p.Alarms, p.Last, p.Frozen = 20*time.Second, p.Alarms[:1], nil, &deploy.Freeze{Why: "the holidays", Actor: "ada", Since: at("05:00:00")}
	p.Services[0].Deployment, p.Services[0].Running, p.Services[0].Digests, p.Services[0].Release = deploy.DeploymentInProgress, 3, []string{good, other}, false
	killed.ID = p.Lock.RecordID
	p.History.Unfinished, p.History.Records = []deploy.Journal{{Step: deploy.StepWatch, Record: killed}}, p.History.Records[1:]

	hostile := dashboard()
	p = &hostile.Panels[1]
	const script = `</style></script><script>alert(1)</script>"><img src=x onerror=alert(2)>{{.}}` + "\u202e"
	hostile.Platform = script
	p.Release, p.By, p.Last = &deploy.Release{Tag: script, Commit: script}, script, nil
	p.Problems, p.Behind.Commits, p.Behind.Migrations = []string{script}, []view.Commit{{Hash: script, Subject: script}}, []string{script}
	p.Drift.Real, p.Alarms[1].Name, p.Alarms[1].Reason = []string{script}, script, script
	p.Frozen, p.Lock = &deploy.Freeze{Why: script, Actor: script}, &deploy.Lease{Kind: deploy.KindPromote, Release: deploy.Release{Tag: script}, Actor: script, Why: script, RunURL: script}
	r := &p.History.Records[0]
	r.Release, r.Actor, r.Error, r.RunURL, r.Left = *p.Release, script, script, "javascript:alert(3)", []string{script}
	r.Services["api"].Reason = script
	r.Overrides[0].Reason = script
	r.Evidence.Stopped[0].Log[0].Message, r.Evidence.Events["api"][0].Message, r.Evidence.Gaps = script, script, []string{script}
	hostile.Shared.Real = []string{script}
	return map[string]view.Dashboard{"usual": usual, "empty": empty, "broken": broken, "flight": flight, "hostile": hostile}
}

func html(t *testing.T, d view.Dashboard, every int) string {
	t.Helper()
	var out bytes.Buffer
	if err := d.HTML(&out, every); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestDashboardGoldens(t *testing.T) {
	for name, d := range dashboards() {
		t.Run(name, func(t *testing.T) {
			got := html(t, d, 0)
			path := filepath.Join("testdata", "dashboard", name+".html")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got; go test -update rewrites it):\n%s", path, diff)
			}
		})
	}
}

// The page needs nothing but itself, and its policy lets nothing else in.
func TestDashboardPolicy(t *testing.T) {
	usual := dashboard()
	for _, every := range []int{0, 15} {
		page := html(t, usual, every)
		policy := regexp.MustCompile(`http-equiv="Content-Security-Policy" content="([^"]+)"`).FindStringSubmatch(page)
		if policy == nil || !strings.HasPrefix(policy[1], "default-src &#39;none&#39;;") || strings.Contains(policy[1], "unsafe") {
			t.Fatalf("policy %q", policy)
		}
		if got, want := strings.Contains(policy[1], "script-src"), every > 0; got != want || strings.Contains(page, "<script") != want {
			t.Errorf("renewed every %d s: scripts are allowed: %v", every, got)
		}
		for _, text := range regexp.MustCompile(`(?s)<(?:style|script)>(.*?)</(?:style|script)>`).FindAllStringSubmatch(page, -1) {
			sum := sha256.Sum256([]byte(text[1]))
			if hash := base64.StdEncoding.EncodeToString(sum[:]); !strings.Contains(strings.ReplaceAll(policy[1], "&#43;", "+"), "sha256-"+hash) {
				t.Errorf("renewed every %d s: the policy %s does not allow the text with hash %s", every, policy[1], hash)
			}
		}
		if loads := regexp.MustCompile(`(?i) (src|srcset|action|style|on[a-z]+)=|<(iframe|object|embed|form)|@import|url\(`).FindString(page); loads != "" {
			t.Errorf("the page has %q", loads)
		}
	}
}

// A page that is published has no line that a task wrote.
func TestDashboardWithoutLogs(t *testing.T) {
	d := dashboard()
	if page := html(t, d, 0); !strings.Contains(page, "panic: no column watchers") {
		t.Error("the log is missing from a page for oneself")
	}
	d.WithoutLogs = true
	page := html(t, d, 0)
	if strings.Contains(page, "panic: no column watchers") || !strings.Contains(page, "exit code 2; 2 log lines, which this page leaves out</h4>") {
		t.Errorf("the published page:\n%s", page)
	}
}

// Whatever a tag, a subject or an error says is text.
func TestDashboardEscapes(t *testing.T) {
	page := html(t, dashboards()["hostile"], 0)
	for _, bad := range []string{"<script", "<img", `="javascript:`, "\u202e", "onerror=alert(2)>"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if n := strings.Count(page, "&lt;script&gt;alert(1)&lt;/script&gt;"); n < 15 {
		t.Errorf("only %d of what is hostile is there to be read", n)
	}
}

// With the newest of 2,000 attempts the page stays small and says how many there
// are besides.
func TestDashboardOfALongHistory(t *testing.T) {
	d := dashboard()
	h := &d.Panels[1].History
	one := h.Records[0]
	h.Records, h.More = nil, 1950
	for i := range 50 {
		r := one
		r.ID = fmt.Sprintf("20261123T0800%02dZ-abcdef", i)
		h.Records = append(h.Records, r)
	}
	page := html(t, d, 0)
	if n := strings.Count(page, "Dossier of "); n != 50 || !strings.Contains(page, "and 1950 older: <code>tfpipeline history -env production -limit 0</code>") {
		t.Errorf("%d attempts", n)
	}
	if len(page) > 200_000 {
		t.Errorf("%d bytes", len(page))
	}
	ids := map[string]bool{}
	for _, id := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if ids[id[1]] {
			t.Errorf("two elements have the id %s", id[1])
		}
		ids[id[1]] = true
	}
}

func TestReadDrift(t *testing.T) {
	var written bytes.Buffer
	report := view.DriftReport{}
	if err := report.JSON(&written); err != nil {
		t.Fatal(err)
	}
	if got, err := view.ReadDrift(&written, at("05:00:00")); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	got, err := view.ReadDrift(strings.NewReader(`{"clean":false,"roots":[{"root":"staging","real":[{"address":"aws_x.y","action":"changed"}],"pending":[],"accepted":[{}]}]}`), at("05:00:00"))
	if d := cmp.Diff(map[string]view.DriftSummary{"staging": {Time: at("05:00:00"), Real: []string{"changed aws_x.y"}, Accepted: 1}}, got); err != nil || d != "" {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	if got, err := view.ReadDrift(strings.NewReader(""), at("05:00:00")); err != nil || got != nil {
		t.Errorf("of an empty file: %v, %v", got, err)
	}
	if _, err := view.ReadDrift(strings.NewReader("no"), at("05:00:00")); err == nil {
		t.Error("what is no drift is read")
	}
}
