package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/account/accounttest"
	model "github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs/ecstest"
)

// fakePlatform is AWS for promotions: the model of ECS with scripted tasks,
// and as much of what is around it as they need: images by tag, objects with
// conditional writes, secrets with a value, minimums, logs, a public URL. What
// it does not know it refuses by name.
type fakePlatform struct {
	platform config.Platform
	runtime  *model.Runtime
	called   *ecstest.Calls // calls of ECS
	url      string

	mu      sync.Mutex
	objects map[string]string
	written map[string]time.Time // the others are old
	// images are the digests by repository and tag.
	images map[string]map[string]string
	// tagged are the tags that were added, as "repository:tag".
	tagged   []string
	minimums map[string]int
	logs     map[string][]string // by log group
	tails    int                 // reads of logs by time
	// posts are what the webhook received.
	posts []string
	// refuseStart and refuseEnd are what the webhook answers to the message that an
	// attempt has begun, and to any other; 0 takes it.
	refuseStart, refuseEnd int
	// secrets are the values that were stored, by path, the newest last.
	secrets map[string][]string
	// down makes the public URL answer 503.
	down bool
	// history are the requests for the history so far.
	history []string
	// refused is how keys begin that nobody may write; "" is none.
	refused string
}

func newFakePlatform(p config.Platform, runtime *model.Runtime, called *ecstest.Calls) *fakePlatform {
	return &fakePlatform{
		platform: p, runtime: runtime, called: called, objects: map[string]string{}, written: map[string]time.Time{}, images: map[string]map[string]string{},
		minimums: map[string]int{}, logs: map[string][]string{}, secrets: map[string][]string{},
	}
}

// imageDigest is that of a service's image built from a commit.
func imageDigest(service, commit string) string {
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(service+" "+commit)))
}

// build pushes the images of a commit.
func (f *fakePlatform) build(commit string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.platform.Services {
		repository := f.platform.RepositoryName(s.Name)
		if f.images[repository] == nil {
			f.images[repository] = map[string]string{}
		}
		f.images[repository][commit] = imageDigest(s.Name, commit)
	}
}

func (f *fakePlatform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	service := ""
	if m := accounttest.CredentialScope.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
		service = m[1]
	}
	if service == "ecs" || service == "elasticloadbalancing" {
		f.ecs(w, r)
		return
	}
	body := accounttest.Whole(r)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case service == "s3":
		f.s3(w, r, body)
	case service == "monitoring":
		fmt.Fprint(w, `<DescribeAlarmsResponse><DescribeAlarmsResult><MetricAlarms/></DescribeAlarmsResult></DescribeAlarmsResponse>`)
	case service == "sts":
		accounttest.CallerIdentity(w, f.platform.Account)
	case service != "":
		var in map[string]any
		_ = json.Unmarshal(body, &in)
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		f.json(w, operation, in)
	case r.URL.Path == "/_localaws/balancers":
		f.balancers(w)
	case r.URL.Path == "/hook":
		f.posts = append(f.posts, string(body))
		status := f.refuseEnd
		if strings.Contains(string(body), ": started") {
			status = f.refuseStart
		}
		if status != 0 {
			w.Header().Set("Retry-After", "600")
			http.Error(w, "nobody at "+f.url+r.URL.Path, status)
		}
	case r.URL.Path == "/health" && !f.down:
		fmt.Fprintln(w, "ok")
	default:
		http.Error(w, "down", http.StatusServiceUnavailable)
	}
}

// ecs passes a request on to the model, which knows target groups too.
func (f *fakePlatform) ecs(w http.ResponseWriter, r *http.Request) {
	answer, err := f.runtime.HTTPClient().Transport.RoundTrip(r)
	if err != nil {
		panic(http.ErrAbortHandler) // the connection ends without an answer
	}
	defer answer.Body.Close()
	maps.Copy(w.Header(), answer.Header)
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body) // the client has gone: nobody to tell
}

// balancers says that every domain leads here.
func (f *fakePlatform) balancers(w io.Writer) {
	var domains []string
	for _, e := range f.platform.Environments {
		domains = append(domains, f.platform.Host(e))
	}
	_ = json.NewEncoder(w).Encode([]any{map[string]any{
		"name": "all", "domains": domains, "listeners": []any{map[string]any{"port": 443, "protocol": "HTTPS", "url": f.url}},
	}})
}

func s3Error(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `<Error><Code>%s</Code><Message>from the fake platform</Message></Error>`, code)
}

func (f *fakePlatform) s3(w http.ResponseWriter, r *http.Request, body []byte) {
	name, key, _ := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
	if name != f.platform.StateBucket() {
		s3Error(w, http.StatusNotFound, "NoSuchBucket")
		return
	}
	if key == "" {
		f.list(w, r.URL.Query())
		return
	}
	if strings.HasPrefix(key, "history/") {
		f.history = append(f.history, r.Method+" "+key)
	}
	content, exists := f.objects[key]
	match := r.Header.Get("If-Match")
	switch {
	case match != "" && !exists, r.Method == http.MethodGet && !exists:
		s3Error(w, http.StatusNotFound, "NoSuchKey")
	case match != "" && match != accounttest.ETag([]byte(content)), exists && r.Header.Get("If-None-Match") == "*":
		s3Error(w, http.StatusPreconditionFailed, "PreconditionFailed")
	case r.Method == http.MethodPut && f.refused != "" && strings.HasPrefix(key, f.refused):
		s3Error(w, http.StatusForbidden, "AccessDenied")
	case r.Method == http.MethodPut:
		f.objects[key], f.written[key] = string(accounttest.Unchunked(r, body)), time.Now()
		w.Header().Set("ETag", accounttest.ETag([]byte(f.objects[key])))
	case r.Method == http.MethodDelete:
		delete(f.objects, key)
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("ETag", accounttest.ETag([]byte(content)))
		w.Header().Set("Last-Modified", f.written[key].UTC().Format(http.TimeFormat))
		fmt.Fprint(w, content)
	}
}

func (f *fakePlatform) list(w io.Writer, q url.Values) {
	prefix, after, n := q.Get("prefix"), cmp.Or(q.Get("continuation-token"), q.Get("start-after")), 0
	f.history = append(f.history, "LIST "+prefix)
	fmt.Fprint(w, `<ListBucketResult>`)
	for _, key := range slices.Sorted(maps.Keys(f.objects)) {
		if !strings.HasPrefix(key, prefix) || key <= after {
			continue
		}
		if n++; n > 1000 {
			fmt.Fprintf(w, `<IsTruncated>true</IsTruncated><NextContinuationToken>%s</NextContinuationToken>`, after)
			break
		}
		content := f.objects[key]
		fmt.Fprintf(w, `<Contents><Key>%s</Key><ETag>%s</ETag><Size>%d</Size></Contents>`, key, html.EscapeString(accounttest.ETag([]byte(content))), len(content))
		after = key
	}
	fmt.Fprint(w, `</ListBucketResult>`)
}

func (f *fakePlatform) json(w http.ResponseWriter, operation string, in map[string]any) {
	text := func(key string) string { s, _ := in[key].(string); return s }
	answer := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	switch operation {
	case "BatchGetImage", "DescribeImages":
		id := in["imageIds"].([]any)[0].(map[string]any)
		for tag, digest := range f.images[text("repositoryName")] {
			if tag == id["imageTag"] || digest == id["imageDigest"] {
				if operation == "DescribeImages" {
					answer(map[string]any{"imageDetails": []any{map[string]any{"imageDigest": digest}}})
					return
				}
				answer(map[string]any{"images": []any{map[string]any{
					"imageId": map[string]any{"imageDigest": digest}, "imageManifest": "{}",
				}}})
				return
			}
		}
		if operation == "DescribeImages" {
			w.WriteHeader(http.StatusBadRequest)
			answer(map[string]string{"__type": "ImageNotFoundException", "message": "there is no such image"})
			return
		}
		answer(map[string]any{"failures": []any{map[string]any{"failureCode": "ImageNotFound", "imageId": id}}})
	case "PutImage":
		f.images[text("repositoryName")][text("imageTag")] = text("imageDigest")
		f.tagged = append(f.tagged, text("repositoryName")+":"+text("imageTag"))
		answer(map[string]any{"image": map[string]any{}})
	case "DescribeSecret":
		answer(map[string]any{"Name": text("SecretId"), "VersionIdsToStages": map[string]any{"v1": []string{"AWSCURRENT"}}})
	case "PutSecretValue":
		f.secrets[text("SecretId")] = append(f.secrets[text("SecretId")], text("SecretString"))
		answer(map[string]any{})
	case "GetRandomPassword":
		answer(map[string]any{"RandomPassword": strings.Repeat("r", int(in["PasswordLength"].(float64)))})
	case "ListSecretVersionIds":
		versions, n := []any{}, len(f.secrets[text("SecretId")])
		for i := range n {
			stages := map[int][]string{n - 1: {"AWSCURRENT"}, n - 2: {"AWSPREVIOUS"}}[i]
			versions = append(versions, map[string]any{"VersionId": fmt.Sprint("v", i+1), "VersionStages": stages, "CreatedDate": 1_790_000_000 + 60*i})
		}
		answer(map[string]any{"Versions": versions})
	case "DescribeScalableTargets":
		list := []any{}
		for id, n := range f.minimums {
			list = append(list, map[string]any{"ResourceId": id, "MinCapacity": n, "MaxCapacity": 6, "ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"})
		}
		answer(map[string]any{"ScalableTargets": list})
	case "RegisterScalableTarget":
		f.minimums[text("ResourceId")] = int(in["MinCapacity"].(float64))
		answer(map[string]any{})
	case "GetLogEvents":
		f.logEvents(answer, text("logGroupName"), text("nextToken"))
	case "FilterLogEvents":
		f.filterLogs(w, answer, text("logGroupName"), in["startTime"], in["endTime"])
	default:
		http.Error(w, "the fake platform does not know "+operation, http.StatusNotImplemented)
	}
}

// logEvents gives all lines of a group at once; the token says that there are
// no more.
func (f *fakePlatform) logEvents(answer func(any), group, token string) {
	events := []any{}
	if token == "" {
		for i, line := range f.logs[group] {
			events = append(events, map[string]any{"timestamp": 1_790_000_000_000 + i, "message": line})
		}
	}
	answer(map[string]any{"events": events, "nextForwardToken": "end"})
}

func (f *fakePlatform) filterLogs(w http.ResponseWriter, answer func(any), group string, from, until any) {
	f.tails++
	lines, ok := f.logs[group]
	if !ok {
		w.WriteHeader(http.StatusBadRequest)
		answer(map[string]string{"__type": "ResourceNotFoundException", "message": "The specified log group does not exist."})
		return
	}
	events := []any{}
	for i, line := range lines {
		at, message, _ := strings.Cut(line, " ")
		var n int64
		fmt.Sscan(at, &n)
		message, task, _ := strings.Cut(message, "\x00") // an ECS task's id
		if start, ok := from.(float64); ok && n < int64(start) {
			continue
		}
		if end, ok := until.(float64); ok && n > int64(end) {
			continue
		}
		events = append(events, map[string]any{
			"eventId": fmt.Sprint(i), "timestamp": n, "message": message + "\n", "logStreamName": "x/x/" + cmp.Or(task, "0123456789abcdef"),
		})
	}
	answer(map[string]any{"events": events})
}
