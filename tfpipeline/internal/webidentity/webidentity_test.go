package webidentity

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
)

const key, role = "canary-request-key", "arn:aws:iam::123456789012:role/doc-platform/doc-platform-deploy-staging"

// world is GitHub's endpoint for tokens and AWS's STS, both without a network.
type world struct {
	t *testing.T
	// life is how long a session lasts.
	life time.Duration
	// tokens and sessions count what was handed out.
	tokens, sessions int
	// failTokens and failSessions are answers of the next requests, status and
	// body; "" is a good one.
	failTokens, failSessions []string
	asked                    url.Values
}

func (w *world) Do(r *http.Request) (*http.Response, error) {
	out := httptest.NewRecorder()
	if r.URL.Host == "token.example.org" {
		w.token(out, r)
	} else {
		w.assume(out, r)
	}
	return out.Result(), nil
}

// fail takes the next failure from a list.
func fail(out http.ResponseWriter, list *[]string) bool {
	if len(*list) == 0 {
		return false
	}
	next := (*list)[0]
	*list = (*list)[1:]
	status, body, _ := strings.Cut(next, " ")
	if status == "" {
		return false
	}
	var code int
	fmt.Sscan(status, &code)
	out.WriteHeader(code)
	fmt.Fprint(out, body)
	return true
}

func (w *world) token(out http.ResponseWriter, r *http.Request) {
	if got := r.Header.Get("Authorization"); got != "bearer "+key {
		w.t.Errorf("authorization %q", got)
	}
	if got := r.URL.Query(); got.Get("audience") != "sts.amazonaws.com" || got.Get("api-version") != "2.0" {
		w.t.Errorf("query %v", got)
	}
	if fail(out, &w.failTokens) {
		return
	}
	w.tokens++
	payload := base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"repo:o/n:environment:staging"}`))
	_ = json.NewEncoder(out).Encode(map[string]string{"value": "canary-token." + payload + ".signature"})
}

func (w *world) assume(out http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	w.asked = r.PostForm
	if r.Header.Get("Authorization") != "" {
		w.t.Error("the request is signed, by whom?")
	}
	if fail(out, &w.failSessions) {
		return
	}
	w.sessions++
	fmt.Fprintf(out, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials>
		<AccessKeyId>ASIA%d</AccessKeyId><SecretAccessKey>canary-secret</SecretAccessKey><SessionToken>canary-session</SessionToken><Expiration>%s</Expiration>
		</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`, w.sessions, time.Now().Add(w.life).UTC().Format(time.RFC3339))
}

// job is a job that may ask for tokens.
func job() Job {
	j, _ := Find(func(name string) string {
		return map[string]string{
			"GITHUB_ACTIONS": "true", "AWS_ROLE_ARN": role, "GITHUB_RUN_ID": "42", "GITHUB_RUN_ATTEMPT": "2",
			"ACTIONS_ID_TOKEN_REQUEST_URL": "https://token.example.org/get?api-version=2.0", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": key,
		}[name]
	})
	return j
}

func newServer(t *testing.T, life time.Duration) (*world, *server) {
	w := &world{t: t, life: life}
	return w, &server{job: job(), config: aws.Config{Region: "us-west-2", HTTPClient: w}, token: "shown"}
}

// ask is a client of the server.
func ask(s *server, token string) (int, map[string]string) {
	r := httptest.NewRequest(http.MethodGet, "/credentials", nil)
	r.Header.Set("Authorization", token)
	out := httptest.NewRecorder()
	s.ServeHTTP(out, r)
	var body map[string]string
	_ = json.Unmarshal(out.Body.Bytes(), &body)
	return out.Code, body
}

// Over six hours, the longest job, whoever asks has rights for at least ten
// minutes more, and AWS is asked no more often than that takes.
func TestCredentialsRenewThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := newServer(t, time.Hour)
		for range 6 * 60 {
			code, c := ask(s, "shown")
			expires, err := time.Parse(time.RFC3339, c["Expiration"])
			if code != http.StatusOK || err != nil || c["SecretAccessKey"] != "canary-secret" || c["Token"] != "canary-session" {
				t.Fatalf("%d %v", code, c)
			}
			if left := time.Until(expires); left < renewBefore-time.Minute {
				t.Fatalf("credentials end in %s", left)
			}
			<-time.After(time.Minute)
		}
		if w.sessions != 8 || w.tokens != w.sessions {
			t.Errorf("%d sessions and %d tokens in six hours", w.sessions, w.tokens)
		}
		if got := w.asked; got.Get("DurationSeconds") != "3600" || got.Get("RoleArn") != role || got.Get("RoleSessionName") != "run-42-2" {
			t.Errorf("asked for %v", got)
		}
	})
}

// The SDK's own client of such servers takes them, and renews as often as
// short ones need it.
func TestTheSDKTakesThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := newServer(t, 20*time.Second)
		provider := aws.NewCredentialsCache(endpointcreds.New("http://127.0.0.1:1/credentials", func(o *endpointcreds.Options) {
			o.AuthorizationToken = "shown"
			o.HTTPClient = handler{s}
		}))
		for i := range 10 {
			c, err := provider.Retrieve(t.Context())
			if err != nil || c.AccessKeyID != fmt.Sprintf("ASIA%d", i+1) {
				t.Fatalf("%d: %v, %v", i, c.AccessKeyID, err)
			}
			<-time.After(20 * time.Second)
		}
		if w.sessions != 10 {
			t.Errorf("%d sessions", w.sessions)
		}
	})
}

type handler struct{ s *server }

func (h handler) Do(r *http.Request) (*http.Response, error) {
	out := httptest.NewRecorder()
	h.s.ServeHTTP(out, r)
	return out.Result(), nil
}

// What fails for a moment is tried once more; credentials that still last
// serve while it does not; what never will is said, with what to do.
func TestFailures(t *testing.T) {
	denied := `403 <ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>`
	idp := `400 <ErrorResponse><Error><Code>IDPCommunicationError</Code><Message>later</Message></Error></ErrorResponse>`
	for name, test := range map[string]struct {
		tokens, sessions []string
		code             int
		said             string
	}{
		"GitHub is away":           {tokens: []string{"502 ", "503 "}, code: http.StatusOK},
		"GitHub limits":            {tokens: []string{"429 "}, code: http.StatusOK},
		"half an answer":           {tokens: []string{"200 {"}, code: http.StatusOK},
		"AWS cannot reach GitHub":  {sessions: []string{idp}, code: http.StatusOK},
		"GitHub stays away":        {tokens: []string{"500 ", "500 ", "500 "}, code: http.StatusBadRequest, said: "ask GitHub for a token: it answers 500 Internal Server Error"},
		"GitHub refuses":           {tokens: []string{"401 canary-answer"}, code: http.StatusBadRequest, said: "ask GitHub for a token: it answers 401 Unauthorized"},
		"AWS does not trust it":    {sessions: []string{denied}, code: http.StatusBadRequest, said: "assume " + role + " as repo:o/n:environment:staging: AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		"the answer holds nothing": {tokens: []string{"200 {}", "200 {}", "200 {}"}, code: http.StatusBadRequest, said: "ask GitHub for a token: the answer holds none"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, s := newServer(t, time.Hour)
				w.failTokens, w.failSessions = test.tokens, test.sessions
				code, body := ask(s, "shown")
				if code != test.code || body["message"] != test.said {
					t.Errorf("%d %v", code, body)
				}
				for _, secret := range []string{"canary", key} {
					if strings.Contains(body["message"], secret) {
						t.Errorf("%q is in %q", secret, body["message"])
					}
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w, s := newServer(t, time.Hour)
		ask(s, "shown")
		<-time.After(55 * time.Minute)
		w.failTokens = []string{"401 ", "401 "}
		if code, c := ask(s, "shown"); code != http.StatusOK || c["AccessKeyId"] != "ASIA1" {
			t.Errorf("five minutes before the end: %d %v", code, c)
		}
		<-time.After(5 * time.Minute)
		if code, _ := ask(s, "shown"); code != http.StatusBadRequest {
			t.Errorf("after the end: %d", code)
		}
	})
}

func TestWhoDoesNotShowTheToken(t *testing.T) {
	w, s := newServer(t, time.Hour)
	for _, token := range []string{"", "shown ", "Shown", "bearer shown"} {
		if code, body := ask(s, token); code != http.StatusForbidden || body["AccessKeyId"] != "" {
			t.Errorf("%q: %d %v", token, code, body)
		}
	}
	if w.tokens+w.sessions != 0 {
		t.Error("somebody was asked")
	}
}

func TestFind(t *testing.T) {
	find := func(more ...string) (Job, bool) {
		env := map[string]string{"GITHUB_ACTIONS": "true", "AWS_ROLE_ARN": role}
		for i := 0; i < len(more); i += 2 {
			env[more[i]] = more[i+1]
		}
		return Find(func(name string) string { return env[name] })
	}
	j, ok := find()
	if !ok {
		t.Fatal("a job with a role is none")
	}
	if _, err := j.Assume(t.Context(), aws.Config{}); err == nil || !strings.Contains(err.Error(), "permissions: id-token: write") {
		t.Errorf("without the permission: %v", err)
	}
	for _, variable := range append(others, "AWS_ROLE_ARN", "GITHUB_ACTIONS") {
		value := "set"
		if variable == "AWS_ROLE_ARN" {
			value = ""
		}
		if _, ok := find(variable, value); ok {
			t.Errorf("with %s=%q it takes over", variable, value)
		}
	}
}

// Over a real socket, as a process that is started would ask.
func TestServe(t *testing.T) {
	t.Setenv("AWS_REGION", "us-west-2")
	variables, stop, err := Serve(t.Context(), Job{Role: role})
	if err != nil {
		t.Fatal(err)
	}
	provider := endpointcreds.New(variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"], func(o *endpointcreds.Options) {
		o.AuthorizationToken = variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
	})
	if _, err := provider.Retrieve(t.Context()); err == nil || !strings.Contains(err.Error(), "permissions: id-token: write") {
		t.Errorf("%v", err)
	}
	stop()
	if _, err := http.Get(variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"]); err == nil {
		t.Error("it still answers")
	}
}
