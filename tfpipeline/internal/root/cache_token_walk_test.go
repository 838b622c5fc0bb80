package root

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// tokenCloud is a cache, the secret with its token, and what uses it.
type tokenCloud struct {
	t        *testing.T
	versions map[string][]string // labels by version, whose token has its name
	created  map[string]time.Time
	changed  time.Time
	// accepted are the tokens that the cache accepts, the newest last; "" is none.
	accepted []string
	modified time.Time
	// The cache makes a change of its token from busy on until ready.
	busy, ready time.Time
	strategy    string
	sent        string
	// lag is how long the cache says nothing of a change that it was sent.
	lag   time.Duration
	waits string // a node type that waits for the window
	tasks []tokenTask
	// service and schedule are the task definitions that they start.
	service, schedule string
	modifies          []string
	// calls counts, and the run is killed after that of this number.
	calls, kill int
	die         context.CancelFunc
}

type tokenTask struct {
	definition, token, status string
	created                   time.Time
}

// tick makes the change of the token that is due, and checks that no task is refused.
func (c *tokenCloud) tick() {
	if c.strategy != "" && !time.Now().Before(c.ready) {
		if c.strategy == "SET" {
			c.accepted = []string{c.sent}
		} else {
			c.accepted = []string{c.accepted[len(c.accepted)-1], c.sent}
		}
		c.strategy, c.modified = "", time.Now()
	}
	for _, task := range c.tasks {
		if !slices.Contains(c.accepted, task.token) {
			c.t.Fatalf("a task has token %q, and the cache accepts %q", task.token, c.accepted)
		}
	}
}

// deploy has all tasks start anew.
func (c *tokenCloud) deploy() {
	time.Sleep(time.Hour)
	c.tasks = []tokenTask{{definition: "new", token: labelled(c.versions, currentLabel), status: "RUNNING", created: time.Now()}}
	c.service, c.schedule = "new", "new"
	c.tick()
}

func (c *tokenCloud) store(version string, labels ...string) {
	time.Sleep(time.Hour)
	c.versions[version], c.created[version], c.changed = labels, time.Now(), time.Now()
}

func (c *tokenCloud) RoundTrip(q *http.Request) (*http.Response, error) {
	if err := q.Context().Err(); err != nil {
		return nil, err
	}
	c.tick()
	var body []byte
	if q.Body != nil {
		body, _ = io.ReadAll(q.Body)
	}
	_, operation, _ := strings.Cut(q.Header.Get("X-Amz-Target"), ".")
	var answer string
	switch {
	case q.Method == http.MethodGet:
		answer = fmt.Sprintf(`{"State": "ENABLED", "Target": {"Arn": "x", "RoleArn": "x", "EcsParameters": {"TaskDefinitionArn": %q}}}`, c.schedule)
	case operation != "":
		answer = c.json(operation, body)
	default:
		form, _ := url.ParseQuery(string(body))
		answer = c.query(form)
	}
	c.tick()
	if c.calls++; c.calls == c.kill {
		c.die()
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(answer)), Request: q}, nil
}

func (c *tokenCloud) json(operation string, body []byte) string {
	var in struct {
		VersionId, VersionStage, MoveToVersionId, RemoveFromVersionId string
		DesiredStatus, TaskDefinition                                 string
		Tasks                                                         []string
	}
	if err := json.Unmarshal(body, &in); err != nil {
		c.t.Error(err)
	}
	var out any = struct{}{}
	seconds := func(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
	switch operation {
	case "DescribeSecret":
		out = map[string]any{"VersionIdsToStages": c.versions, "LastChangedDate": seconds(c.changed)}
	case "GetSecretValue":
		out = map[string]any{"SecretString": "rediss://:" + in.VersionId + "@cache:6379", "CreatedDate": seconds(c.created[in.VersionId])}
	case "UpdateSecretVersionStage":
		if labelled(c.versions, in.VersionStage) != in.RemoveFromVersionId {
			c.t.Errorf("label %s is not on %q", in.VersionStage, in.RemoveFromVersionId)
		}
		for version, labels := range c.versions {
			c.versions[version] = slices.DeleteFunc(slices.Clone(labels), func(l string) bool { return l == in.VersionStage })
		}
		if in.MoveToVersionId != "" {
			c.versions[in.MoveToVersionId] = append(c.versions[in.MoveToVersionId], in.VersionStage)
		}
		c.changed = time.Now()
	case "DescribeServices":
		out = map[string]any{"services": []any{map[string]any{"deployments": []any{
			map[string]any{"desiredCount": 1, "taskDefinition": c.service}, map[string]any{"desiredCount": 0, "taskDefinition": "old"},
		}}}}
	case "ListTasks":
		arns := []string{}
		for i, task := range c.tasks {
			if (task.status == "RUNNING") == (in.DesiredStatus == "RUNNING") {
				arns = append(arns, fmt.Sprint(i))
			}
		}
		out = map[string]any{"taskArns": arns}
	case "DescribeTasks":
		tasks := []any{}
		for i, task := range c.tasks {
			if slices.Contains(in.Tasks, fmt.Sprint(i)) {
				tasks = append(tasks, map[string]any{"taskDefinitionArn": task.definition, "lastStatus": task.status, "createdAt": seconds(task.created)})
			}
		}
		out = map[string]any{"tasks": tasks}
	case "DescribeTaskDefinition":
		secrets := []any{}
		if in.TaskDefinition == "new" {
			secrets = append(secrets, map[string]string{"name": "REDIS_URL", "valueFrom": "x"})
		}
		out = map[string]any{"taskDefinition": map[string]any{"containerDefinitions": []any{map[string]any{"secrets": secrets}}}}
	default:
		c.t.Errorf("%s is not known here", operation)
	}
	answer, err := json.Marshal(out)
	if err != nil {
		c.t.Error(err)
	}
	return string(answer)
}

func (c *tokenCloud) query(form url.Values) string {
	action, answer := form.Get("Action"), ""
	switch action {
	case "DescribeReplicationGroups":
		status, date := "available", ""
		if c.strategy != "" && !time.Now().Before(c.busy) {
			status = "modifying"
		}
		if !c.modified.IsZero() {
			date = "<AuthTokenLastModifiedDate>" + c.modified.UTC().Format("2006-01-02T15:04:05.000Z") + "</AuthTokenLastModifiedDate>"
		}
		answer = "<ReplicationGroups><ReplicationGroup><Status>" + status + "</Status>" + date + "<MemberClusters><ClusterId>cache-001</ClusterId></MemberClusters></ReplicationGroup></ReplicationGroups>"
	case "DescribeCacheClusters":
		if c.waits != "" {
			answer = "<CacheClusters><CacheCluster><PendingModifiedValues><CacheNodeType>" + c.waits + "</CacheNodeType></PendingModifiedValues></CacheCluster></CacheClusters>"
		}
	case "ModifyReplicationGroup":
		if c.strategy != "" {
			c.t.Fatalf("killed after call %d: the cache is changed while it makes a change", c.kill)
		}
		c.strategy, c.sent = form.Get("AuthTokenUpdateStrategy"), form.Get("AuthToken")
		c.busy, c.ready = time.Now().Add(c.lag), time.Now().Add(c.lag+5*time.Minute)
		c.modifies = append(c.modifies, c.strategy+" "+c.sent)
	default:
		c.t.Errorf("%s is not known here", action)
	}
	return "<R><" + action + "Result>" + answer + "</" + action + "Result></R>"
}

// settle runs once, and again if it was killed.
func (c *tokenCloud) settle() error {
	for {
		ctx, cancel := context.WithCancel(c.t.Context())
		c.die = cancel
		cfg := endpoint.Access{URL: "http://aws.test", Region: "us-west-2", Key: "x"}.Config()
		cfg.HTTPClient = &http.Client{Transport: c}
		tokens := &tokens{
			cloud: cfg, cache: elasticache.NewFromConfig(cfg), secrets: secretsmanager.NewFromConfig(cfg),
			tasks: ecs.NewFromConfig(cfg), schedules: scheduler.NewFromConfig(cfg),
			secret: "cache-url", group: "cache", cluster: "shop", scheduled: "shop",
			families: []string{"shop-api"}, services: []string{"api"}, repeating: []string{"report"},
		}
		err := tokens.settle(ctx, func(string, ...any) {})
		killed := ctx.Err() != nil
		cancel()
		c.tick()
		if !killed {
			return err
		}
	}
}

// want checks what the cache accepts, and whether a version is pending.
func (c *tokenCloud) want(when string, pending, current string, accepted ...string) {
	c.t.Helper()
	if got := labelled(c.versions, pendingLabel); got != pending || labelled(c.versions, currentLabel) != current || !slices.Equal(c.accepted, accepted) {
		c.t.Fatalf("killed after call %d, %s: the cache accepts %q, want %q; the secret has %v", c.kill, when, c.accepted, accepted, c.versions)
	}
}

// must is settle without an error.
func (c *tokenCloud) must() {
	c.t.Helper()
	if err := c.settle(); err != nil {
		c.t.Fatalf("killed after call %d: %v", c.kill, err)
	}
}

// walk asks a cache without a token for one, and rotates it.
func (c *tokenCloud) walk() {
	c.tasks = []tokenTask{{definition: "old", status: "RUNNING", created: time.Now()}}
	c.service, c.schedule = "old", "old"
	c.store("first", pendingLabel, currentLabel)
	c.must()
	c.want("with old tasks", "first", "first", "", "first")
	c.deploy()
	c.must()
	c.want("with new tasks", "", "first", "first")
	c.store("second", pendingLabel)
	c.must()
	c.want("with tasks that have the first", "second", "second", "first", "second")
	c.deploy()
	c.must()
	c.want("at the end", "", "second", "second")
}

func newTokenCloud(t *testing.T) *tokenCloud {
	return &tokenCloud{t: t, versions: map[string][]string{}, created: map[string]time.Time{}, accepted: []string{""}}
}

// TestTokenWalk: no task ever has a token that the cache refuses, wherever a run is killed.
func TestTokenWalk(t *testing.T) {
	for kill, last := 0, 1; kill <= last; kill++ {
		synctest.Test(t, func(t *testing.T) {
			c := newTokenCloud(t)
			c.kill = kill
			c.walk()
			if kill == 0 {
				last = c.calls
				if want := []string{"ROTATE first", "SET first", "ROTATE second", "SET second"}; !slices.Equal(c.modifies, want) {
					t.Errorf("%q, want %q", c.modifies, want)
				}
			}
		})
	}
}

// TestTokenNotSentAnew: a cache says nothing of a change for a while, and is not sent it anew.
func TestTokenNotSentAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTokenCloud(t)
		c.lag = time.Minute
		c.walk()
		if len(c.modifies) != 4 {
			t.Errorf("%q", c.modifies)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		c := newTokenCloud(t)
		c.lag = time.Hour
		c.store("first", pendingLabel, currentLabel)
		c.service, c.schedule = "new", "new"
		if err := c.settle(); err == nil || len(c.modifies) != 1 {
			t.Errorf("%v after %q", err, c.modifies)
		}
	})
}

// TestTokenWaits: what has no token, or may start without one, holds the last step back,
// and so does a change that waits for the maintenance window.
func TestTokenWaits(t *testing.T) {
	for name, hold := range map[string]func(*tokenCloud){
		"a task of before is stopping": func(c *tokenCloud) {
			c.tasks = append(c.tasks, tokenTask{definition: "old", status: "DEACTIVATING", created: time.Now()})
		},
		"a service starts tasks without":    func(c *tokenCloud) { c.service = "old" },
		"a schedule starts tasks without":   func(c *tokenCloud) { c.schedule = "old" },
		"another node waits for the window": func(c *tokenCloud) { c.waits = "cache.t4g.small" },
	} {
		synctest.Test(t, func(t *testing.T) {
			c := newTokenCloud(t)
			c.service, c.schedule = "old", "old"
			c.store("first", pendingLabel, currentLabel)
			c.must()
			c.deploy()
			tasks, waits := slices.Clone(c.tasks), c.waits
			hold(c)
			c.must()
			c.want(name, "first", "first", "", "first")
			c.tasks, c.service, c.schedule, c.waits = tasks, "new", "new", waits
			c.must()
			c.want(name+" no more", "", "first", "first")
		})
	}
	synctest.Test(t, func(t *testing.T) {
		c := newTokenCloud(t)
		c.waits = "cache.t4g.small"
		c.service, c.schedule = "old", "old"
		c.store("first", pendingLabel, currentLabel)
		if err := c.settle(); err == nil || !strings.Contains(err.Error(), "node_type") || len(c.modifies) != 0 {
			t.Errorf("%v after %q", err, c.modifies)
		}
	})
}
