package account

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/console"
)

// TestUnfitSnapshots: a snapshot that could not become the database is refused before
// anything is done.
func TestUnfitSnapshots(t *testing.T) {
	p := configtest.Docs()
	e, _ := p.Environment("staging")
	for want, change := range map[string]func(*types.DBSnapshot){
		"":            func(*types.DBSnapshot) {},
		"is creating": func(s *types.DBSnapshot) { s.Status = aws.String("creating") },
		"is of another platform, shop": func(s *types.DBSnapshot) {
			s.TagList = []types.Tag{{Key: aws.String("Platform"), Value: aws.String("shop")}}
		},
		"is of another platform, shop-staging":                                                 func(s *types.DBSnapshot) { s.DBInstanceIdentifier = aws.String("shop-staging") },
		"is of mysql and not of PostgreSQL":                                                    func(s *types.DBSnapshot) { s.Engine = aws.String("mysql") },
		"is of PostgreSQL 15, where PostgresVersion is 16: restore it by hand, and upgrade it": func(s *types.DBSnapshot) { s.EngineVersion = aws.String("15.8") },
		"has 9000 GiB, and RDS wants MaxStorageGiB to be a tenth more: raise it to 9900 and apply it": func(s *types.DBSnapshot) {
			s.AllocatedStorage = aws.Int32(9000)
		},
		"is not encrypted: copy it with a key of KMS":       func(s *types.DBSnapshot) { s.Encrypted = aws.Bool(false) },
		"has the master user postgres and not doc_platform": func(s *types.DBSnapshot) { s.MasterUsername = aws.String("postgres") },
	} {
		s := types.DBSnapshot{
			Status: aws.String("available"), DBInstanceIdentifier: aws.String("doc-platform-trial"), Engine: aws.String("postgres"), EngineVersion: aws.String("16.4"),
			AllocatedStorage: aws.Int32(20), Encrypted: aws.Bool(true), MasterUsername: aws.String("doc_platform"),
		}
		change(&s)
		if got := unfit(p, e, s); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestUnfitStorage: RDS wants room for a tenth more, and grows by a tenth at least.
func TestUnfitStorage(t *testing.T) {
	for _, c := range []struct {
		allocated, least, most int
		want                   string
	}{
		{0, 20, 100, ""},
		{20, 20, 22, ""},
		{90, 20, 99, ""},
		{91, 20, 100, "has 91 GiB, and RDS wants MaxStorageGiB to be a tenth more: raise it to 101 and apply it"},
		{100, 20, 100, "has 100 GiB, and RDS wants MaxStorageGiB to be a tenth more: raise it to 110 and apply it"},
		{50, 54, 100, "has 50 GiB, and RDS grows it by a tenth at least, so not to StorageGiB, 54: lower that to 50 and apply it"},
		{50, 55, 100, ""},
		{54, 50, 100, ""},
	} {
		if got := unfitStorage(config.Database{StorageGiB: c.least, MaxStorageGiB: c.most}, aws.Int32(int32(c.allocated))); got != c.want {
			t.Errorf("%d GiB where %d to %d are wanted: %q, want %q", c.allocated, c.least, c.most, got, c.want)
		}
	}
	f := available(own)
	f.instances[own].AllocatedStorage = aws.Int32(95)
	account := New(configtest.Docs(), aws.Config{Region: "us-west-2", HTTPClient: f, Credentials: aws.AnonymousCredentials{}}, &console.Console{Out: io.Discard, Err: io.Discard})
	_, err := account.Restoration(t.Context(), RestoreChoices{Env: "staging", to: "2026-11-26T08:00:00Z", at: time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC)})
	if want := "staging: " + own + " has 95 GiB, and RDS wants"; err == nil || !strings.HasPrefix(err.Error(), want) || console.NextOf(err) != "tfpipeline apply -env staging, then tfpipeline restore -env staging -to 2026-11-26T08:00:00Z" {
		t.Errorf("%v, next: %s, want %s", err, console.NextOf(err), want)
	}
}

// snapshotCalls is RDS with a database and these snapshots.
type snapshotCalls struct {
	*rdsCalls
	snapshots []string // id, type, instance, engine's version, and the tag Environment, if it has one
}

func (f *snapshotCalls) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get("Action") != "DescribeDBSnapshots" {
		return f.rdsCalls.Do(r)
	}
	answer, code := "", http.StatusOK
	for day, line := range f.snapshots {
		s := strings.Fields(line)
		if id := form.Get("DBSnapshotIdentifier"); id != "" && id != s[0] {
			continue
		}
		tags := ""
		if len(s) > 4 {
			tags = "<TagList><Tag><Key>Environment</Key><Value>" + s[4] + "</Value></Tag></TagList>"
		}
		answer += "<DBSnapshot><DBSnapshotIdentifier>" + s[0] + "</DBSnapshotIdentifier><SnapshotType>" + s[1] + "</SnapshotType><DBInstanceIdentifier>" + s[2] + "</DBInstanceIdentifier><EngineVersion>" + s[3] + "</EngineVersion>" +
			fmt.Sprintf("<SnapshotCreateTime>2026-11-%02dT02:00:00Z</SnapshotCreateTime>", day+1) +
			tags + "<Status>available</Status><Engine>postgres</Engine><AllocatedStorage>20</AllocatedStorage><Encrypted>true</Encrypted><MasterUsername>doc_platform</MasterUsername></DBSnapshot>"
	}
	answer = "<R><DescribeDBSnapshotsResult><DBSnapshots>" + answer + "</DBSnapshots></DescribeDBSnapshotsResult></R>"
	if form.Has("DBSnapshotIdentifier") && !strings.Contains(answer, "<DBSnapshot>") {
		answer, code = "<ErrorResponse><Error><Code>DBSnapshotNotFound</Code></Error></ErrorResponse>", http.StatusNotFound
	}
	return &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
}

// TestSnapshotsAreListed: who names no snapshot that fits hears of those of the
// environment that do, and may name another's.
func TestSnapshotsAreListed(t *testing.T) {
	f := &snapshotCalls{available(own), []string{
		"rds:" + own + "-2026-11-01 automated " + own + " 16.4",
		own + "-final-1 manual " + own + " 16.4 staging",
		own + "-old manual " + own + " 15.2",
		"shop-final manual shop 16.4",
		"doc-platform-production-last manual doc-platform-production 16.4",
		"doc-platform-before manual " + own + " 16.4 production",
	}}
	f.instances[own].DBInstanceIdentifier = aws.String(own)
	cfg := aws.Config{Region: "us-west-2", HTTPClient: f, Credentials: aws.AnonymousCredentials{}}
	account := New(configtest.Docs(), cfg, &console.Console{Out: io.Discard, Err: io.Discard})
	for id, why := range map[string]string{"unknown": "there is no snapshot unknown", own + "-old": "is of PostgreSQL 15"} {
		_, err := account.Restoration(t.Context(), RestoreChoices{Env: "staging", snapshot: id})
		const listed = "; those of the environment that fit, the latest first:\n  2026-11-02T02:00:00Z  " + own + "-final-1  manual, of " + own + "\n  2026-11-01T02:00:00Z  rds:" + own + "-2026-11-01  automated, of " + own
		if err == nil || !strings.Contains(err.Error(), why) || !strings.HasSuffix(err.Error(), listed) || console.NextOf(err) != "tfpipeline restore -env staging -snapshot "+own+"-final-1" {
			t.Errorf("%s: %v, next: %s", id, err, console.NextOf(err))
		}
	}
	r, err := account.Restoration(t.Context(), RestoreChoices{Env: "staging", snapshot: "doc-platform-production-last"})
	if err != nil || len(r.Steps) != 5 {
		t.Errorf("another environment's: %v: %v", r, err)
	}
	r, err = account.Restoration(t.Context(), RestoreChoices{Env: "staging", snapshot: own + "-final-1"})
	if err != nil || len(r.Steps) != 5 {
		t.Fatalf("%v: %v", r, err)
	}
	f.status(own, "available")
	if err := r.restore(t.Context()); len(f.calls) != 1 || !strings.HasPrefix(f.calls[0], "RestoreDBInstanceFromDBSnapshot ") {
		t.Fatalf("%v, calls %q", err, f.calls)
	}
	for _, want := range []string{"DBInstanceIdentifier=" + own + "-restored", "DBSnapshotIdentifier=" + own + "-final-1", "Tags.Tag.3.Key=RestoredTo&Tags.Tag.3.Value=" + own + "-final-1", "PubliclyAccessible=false"} {
		if !strings.Contains(f.calls[0], want) {
			t.Errorf("%s lacks %s", f.calls[0], want)
		}
	}
}
