package account

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"
	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/console"
)

// TestRestorationGoesOn: which instances there are says what is left to be done, for
// every point at which an earlier run may have been killed.
func TestRestorationGoesOn(t *testing.T) {
	const at, another = "2026-11-26T08:00:00Z", "2026-11-25T08:00:00Z"
	instance := func(tag string) *types.DBInstance {
		i := &types.DBInstance{DBInstanceIdentifier: aws.String("it"), DBInstanceStatus: aws.String("available")}
		if tag != "" {
			i.TagList = []types.Tag{{Key: aws.String(restoredTag), Value: &tag}}
		}
		return i
	}
	plain, restored, other, gone := instance(""), instance(at), instance(another), instance(at)
	time26 := func(hour, minute int) *time.Time {
		return aws.Time(time.Date(2026, 11, 26, hour, minute, 0, 0, time.UTC))
	}
	behind, young, short, without, whole := instance(""), instance(""), instance(""), instance(""), instance("")
	behind.LatestRestorableTime, young.InstanceCreateTime = time26(7, 56), time26(8, 1)
	short.BackupRetentionPeriod, without.BackupRetentionPeriod = aws.Int32(1), aws.Int32(0)
	whole.InstanceCreateTime, whole.LatestRestorableTime, whole.BackupRetentionPeriod = time26(7, 0), time26(8, 0), aws.Int32(3)
	gone.DBInstanceStatus = aws.String("deleting")
	const restore, aside, takes, adopt, restart, waits = "restore db as of", "rename db to db-replaced", "rename db-restored to db", "have Terraform's state", "restart the services", "wait until db-restored"
	const line = "tfpipeline restore -env staging"
	const again, back, discard, status = line + " -to " + at, line + " -back", line + " -discard", "tfpipeline status -env staging"
	const deleted = "if it was deleted, tfpipeline apply -env staging, which makes an empty one, then " + line + " -snapshot ID"
	const ofSnapshot = line + " -snapshot s-1"
	snapshotted := instance("s-1")
	for _, c := range []struct {
		name               string
		flags              string
		own, new, replaced *types.DBInstance
		want               []string // how the steps begin
		refused, next      string
		begun              bool // before Terraform has adopted what bears the name
	}{
		{name: "nothing was done", own: plain, want: []string{restore, aside, takes, adopt, restart}},
		{name: "its backups have it", own: whole, want: []string{restore, aside, takes, adopt, restart}},
		{name: "its backups are behind", own: behind, refused: "as of 2026-11-26T07:56:00Z at the latest", next: line + " -to 2026-11-26T07:56:00Z"},
		{name: "it is younger", own: young, refused: "as of 2026-11-26T08:01:00Z at the earliest", next: line + " -to TIME"},
		{name: "its backups are not kept so long", own: short, refused: "as of 2026-11-27T09:00:00Z at the earliest", next: line + " -to TIME"},
		{name: "it has no backups", own: without, refused: "has no automated backups", next: line + " -to TIME"},
		{name: "it was restored", own: plain, new: restored, want: []string{waits, aside, takes, adopt, restart}},
		{name: "that of before is marked", own: restored, new: restored, want: []string{waits, aside, takes, adopt, restart}, begun: true},
		{name: "the name is free", new: restored, replaced: restored, want: []string{takes, adopt, restart}, begun: true},
		{name: "it bears the name", own: restored, replaced: restored, want: []string{adopt, restart}, begun: true},
		{name: "it is adopted", own: plain, replaced: restored, want: []string{adopt, restart}},
		{name: "another time was restored", own: plain, new: other, refused: "has left db-restored", next: discard + ", which deletes it, then " + again},
		{name: "another time was to take the name", new: other, replaced: other, refused: "has left db-replaced", next: back + ", then " + discard + ", then " + again},
		{name: "another time bears the name", own: other, replaced: other, refused: "has left db-replaced", next: back + ", then " + discard + ", then " + again},
		{name: "another time is adopted", own: plain, replaced: other, refused: "has left db-replaced", next: back + ", then " + discard + ", then " + again},
		{name: "only that of before is left", replaced: restored, refused: "there is no instance db", next: back},
		{name: "it was deleted", refused: "no other one to take its place", next: deleted},
		{name: "back, it was deleted", flags: "-back", refused: "no other one to take its place", next: deleted},
		{name: "discard, it was deleted", flags: "-discard", refused: "no other one to take its place", next: deleted},
		{name: "the name is not free yet", own: plain, new: gone, refused: "it is still being deleted", next: "aws rds wait db-instance-deleted --db-instance-identifier it, then " + again},
		{name: "back", flags: "-back", own: plain, replaced: restored, want: []string{"rename db to db-restored", "rename db-replaced to db", adopt, restart}},
		{name: "back, it was not adopted", flags: "-back", own: restored, replaced: restored, want: []string{"rename db to db-restored", "rename db-replaced to db", adopt, restart}, begun: true},
		{name: "back, the name is free", flags: "-back", new: plain, replaced: restored, want: []string{"rename db-replaced to db", adopt, restart}, begun: true},
		{name: "back, it bears the name", flags: "-back", own: restored, new: plain, want: []string{adopt, restart}, begun: true},
		{name: "back, it is adopted", flags: "-back", own: plain, new: plain, want: []string{adopt, restart}},
		{name: "back to nothing", flags: "-back", own: plain, refused: "no instance of before", next: status},
		{name: "discard that of before", flags: "-discard", own: plain, replaced: restored, want: []string{"delete db-replaced"}},
		{name: "discard the restored one", flags: "-discard", own: plain, new: plain, want: []string{"delete db-restored"}},
		{name: "discard what is being deleted", flags: "-discard", own: plain, new: gone, want: []string{"delete db-restored"}},
		{name: "discard that of before too early", flags: "-discard", own: restored, replaced: restored, refused: "has not adopted db", next: again + ", or " + back},
		{name: "discard the restored one too early", flags: "-discard", own: restored, new: plain, refused: "has not adopted db", next: back},
		{name: "discard while the name is free", flags: "-discard", new: plain, replaced: restored, refused: "no instance besides db", next: status},
		{name: "a snapshot, nothing was done", flags: "-snapshot s-1", own: short, want: []string{"restore the snapshot s-1 to db-restored", aside, takes, adopt, restart}},
		{name: "a snapshot, the name is free", flags: "-snapshot s-1", new: snapshotted, replaced: snapshotted, want: []string{takes, adopt, restart}, begun: true},
		{name: "a snapshot, it is adopted", flags: "-snapshot s-1", own: plain, replaced: snapshotted, want: []string{adopt, restart}},
		{name: "a snapshot, a time was restored", flags: "-snapshot s-1", own: plain, new: restored, refused: "has left db-restored", next: discard + ", which deletes it, then " + ofSnapshot},
		{name: "a time, a snapshot is adopted", own: plain, replaced: snapshotted, refused: "has left db-replaced", next: back + ", then " + discard + ", then " + again},
		{name: "discard that of before a snapshot too early", flags: "-discard", own: snapshotted, replaced: snapshotted, refused: "has not adopted db", next: ofSnapshot + ", or " + back},
		{name: "discard nothing", flags: "-discard", own: plain, refused: "no instance besides db", next: status},
	} {
		r := &Restoration{choices: RestoreChoices{Env: "staging", to: at, back: c.flags == "-back", discard: c.flags == "-discard"}, own: "db", other: "db-restored", replaced: "db-replaced", began: time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)}
		r.choices.at, _ = time.Parse(time.RFC3339, at)
		if id, ok := strings.CutPrefix(c.flags, "-snapshot "); ok {
			r.choices.to, r.choices.snapshot = "", id
		}
		err := r.plan(c.own, c.new, c.replaced)
		if c.refused != "" {
			if err == nil || !strings.Contains(err.Error(), c.refused) || console.NextOf(err) != c.next {
				t.Errorf("%s: %v, next: %s, want %s", c.name, err, console.NextOf(err), c.next)
			}
			continue
		}
		if err != nil || len(r.Steps) != len(c.want) || r.Begun != c.begun {
			t.Errorf("%s: %v, begun %t, %v", c.name, r.Steps, r.Begun, err)
			continue
		}
		for i, want := range c.want {
			if !strings.HasPrefix(r.Steps[i], want) {
				t.Errorf("%s: step %d is %q, want %q", c.name, i+1, r.Steps[i], want)
			}
		}
	}
}

// TestRestoreChoices: what is wrong is said with a line that is right.
func TestRestoreChoices(t *testing.T) {
	now := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		choices RestoreChoices
		refused string
	}{
		{RestoreChoices{}, "needs one of"},
		{RestoreChoices{to: "yesterday"}, "a time with its zone"},
		{RestoreChoices{to: "2026-11-26T09:00:00Z"}, "has not come yet"},
		{RestoreChoices{to: "2026-11-26T08:00:00Z", back: true}, "needs one of"},
		{RestoreChoices{back: true, discard: true}, "needs one of"},
		{RestoreChoices{to: "2026-11-26T08:00:00Z", snapshot: "s-1"}, "needs one of"},
		{RestoreChoices{snapshot: "s-1", discard: true}, "needs one of"},
		{RestoreChoices{snapshot: "S-1"}, ""},
		{RestoreChoices{back: true, Yes: true, name: "production"}, "needs the name"},
		{RestoreChoices{back: true, Yes: true, name: "staging"}, ""},
		{RestoreChoices{to: "2026-11-26T09:59:00+01:00"}, ""},
	} {
		c.choices.Env = "staging"
		err := c.choices.Check(configtest.Docs(), now)
		if (err == nil) != (c.refused == "") || err != nil && (!strings.Contains(err.Error(), c.refused) || !strings.HasPrefix(console.NextOf(err), "tfpipeline restore -env staging -")) {
			t.Errorf("%+v: %v, next: %s", c.choices, err, console.NextOf(err))
		}
	}
	o := RestoreChoices{Env: "test", back: true}
	if err := o.Check(configtest.Mill(), now); err == nil || !strings.Contains(err.Error(), "no database") {
		t.Errorf("a platform without a database: %v", err)
	}
}

// rdsCalls is RDS with these instances. One that is renamed is at once, but goes on with a
// backup; one that is deleted is gone after five minutes.
type rdsCalls struct {
	instances map[string]*types.DBInstance
	calls     []string
	gone      time.Time
	// answer, if not nil, answers a call in RDS's place: with an error code, or "" for no
	// answer at all.
	answer func(action string) (code string, instead bool)
}

// available are instances that can be renamed; the resource of each is its first name.
func available(names ...string) *rdsCalls {
	f := &rdsCalls{instances: map[string]*types.DBInstance{}}
	for _, name := range names {
		f.instances[name] = &types.DBInstance{DBInstanceStatus: aws.String("available"), DbiResourceId: aws.String("was-" + name)}
	}
	return f
}

func (f *rdsCalls) status(name, status string) { f.instances[name].DBInstanceStatus = &status }

func (f *rdsCalls) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	action, id := form.Get("Action"), form.Get("DBInstanceIdentifier")
	for name, i := range f.instances {
		if statusOf(i) == "deleting" && !time.Now().Before(f.gone) {
			delete(f.instances, name)
		}
	}
	form.Del("Version")
	answer, code, fault := "", http.StatusOK, ""
	if action != "DescribeDBInstances" {
		form.Del("Action")
		said, err := url.QueryUnescape(form.Encode())
		if err != nil {
			return nil, err
		}
		f.calls = append(f.calls, action+" "+said)
	}
	instead := false
	if f.answer != nil {
		fault, instead = f.answer(action)
	}
	i, there := f.instances[id]
	switch {
	case instead && fault == "":
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("network is unreachable")}
	case instead:
		code = http.StatusBadRequest
	case !there && action != "AddTagsToResource":
		code, fault = http.StatusNotFound, "DBInstanceNotFound"
	case action == "DescribeDBInstances":
		answer = "<DBInstances><DBInstance><DBInstanceIdentifier>" + id + "</DBInstanceIdentifier><DBInstanceArn>arn:" + id + "</DBInstanceArn><DbiResourceId>" + resourceOf(i) + "</DbiResourceId><DBInstanceStatus>" + statusOf(i) + "</DBInstanceStatus>"
		if i.LatestRestorableTime != nil {
			answer += "<LatestRestorableTime>" + i.LatestRestorableTime.Format(time.RFC3339) + "</LatestRestorableTime>"
		}
		if i.AllocatedStorage != nil {
			answer += fmt.Sprintf("<AllocatedStorage>%d</AllocatedStorage>", *i.AllocatedStorage)
		}
		if to := restoredTo(i); to != "" {
			answer += "<TagList><Tag><Key>" + restoredTag + "</Key><Value>" + to + "</Value></Tag></TagList>"
		}
		answer += "</DBInstance></DBInstances>"
	case action == "DeleteDBInstance":
		f.status(id, "deleting")
		f.gone = time.Now().Add(5 * time.Minute)
	case form.Has("NewDBInstanceIdentifier"):
		f.rename(id, form.Get("NewDBInstanceIdentifier"))
	}
	answer = "<R><" + action + "Result>" + answer + "</" + action + "Result></R>"
	if code != http.StatusOK {
		answer = "<ErrorResponse><Error><Code>" + fault + "</Code></Error></ErrorResponse>"
	}
	return &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
}

func (f *rdsCalls) rename(from, to string) {
	f.instances[to] = f.instances[from]
	delete(f.instances, from)
	if strings.HasSuffix(to, "-replaced") {
		f.status(to, "backing-up")
	}
}

const own = "doc-platform-staging"

// restoration is what a run with these flags confirms, of the database of an environment.
func (f *rdsCalls) restoration(t *testing.T, env string, o RestoreChoices) (r *Restoration, out, progress *strings.Builder) {
	t.Helper()
	out, progress = &strings.Builder{}, &strings.Builder{}
	cfg := aws.Config{Region: "us-west-2", HTTPClient: f, Credentials: aws.AnonymousCredentials{}}
	o.Env, o.at = env, time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC)
	for _, i := range f.instances {
		if strings.HasSuffix(strings.TrimPrefix(resourceOf(i), "was-"), "-restored") && o.to != "" {
			i.TagList = []types.Tag{{Key: aws.String(restoredTag), Value: &o.to}}
		}
	}
	r, err := New(configtest.Docs(), cfg, &console.Console{Out: out, Err: progress}).Restoration(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r, out, progress
}

// exchange are the calls that give the name to the restored instance.
var exchange = []string{
	"AddTagsToResource ResourceName=arn:" + own + "&Tags.Tag.1.Key=RestoredTo&Tags.Tag.1.Value=2026-11-26T08:00:00Z",
	"ModifyDBInstance ApplyImmediately=true&DBInstanceIdentifier=" + own + "&NewDBInstanceIdentifier=" + own + "-replaced",
	"ModifyDBInstance ApplyImmediately=true&DBInstanceIdentifier=" + own + "-restored&NewDBInstanceIdentifier=" + own,
}

func restoreTo() RestoreChoices { return RestoreChoices{to: "2026-11-26T08:00:00Z"} }

// TestRestorationRenames: the instance of before is marked first, both are free of other
// work by then, and its backups keep nobody waiting once it has left its name.
func TestRestorationRenames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := available(own, own+"-restored")
		f.status(own, "backing-up")
		r, _, progress := f.restoration(t, "staging", restoreTo())
		began := time.Now()
		time.AfterFunc(155*time.Second, func() { f.status(own, "available") })
		id, err := r.Do(t.Context())
		if took := time.Since(began); err != nil || id != "was-"+own+"-restored" || took > 4*time.Minute {
			t.Errorf("%q, %v after %s", id, err, took)
		}
		if diff := cmp.Diff(exchange, f.calls); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
		if got := strings.Count(progress.String(), "staging: "+own+"-restored is available, and "+own+" is backing-up\n"); got != 2 {
			t.Errorf("told %d times:\n%s", got, progress)
		}
	})
}

// TestRestorationWaitsForTheFirstBackup before the database loses its name: RDS renames
// nothing while it takes a backup.
func TestRestorationWaitsForTheFirstBackup(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(*rdsCalls)
		after   time.Duration // when the first rename is asked for
	}{
		"it is available, begins its backup, and has it": {func(f *rdsCalls) {
			time.AfterFunc(15*time.Second, func() { f.status(own+"-restored", "backing-up") })
			time.AfterFunc(95*time.Second, func() {
				f.status(own+"-restored", "available")
				f.instances[own+"-restored"].LatestRestorableTime = aws.Time(time.Now())
			})
		}, 110 * time.Second},
		"no sign of a backup comes": {func(*rdsCalls) {}, firstBackup},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := available(own, own+"-restored")
			f.instances[own].LatestRestorableTime = aws.Time(time.Now())
			r, _, _ := f.restoration(t, "staging", restoreTo())
			c.happens(f)
			began, asked := time.Now(), time.Duration(0)
			f.answer = func(action string) (string, bool) {
				if action == "ModifyDBInstance" && asked == 0 {
					asked = time.Since(began)
				}
				return "", false
			}
			if _, err := r.Do(t.Context()); err != nil || asked != c.after {
				t.Errorf("%s: renamed after %s, want %s: %v", name, asked, c.after, err)
			}
		})
	}
}

// TestRestorationOutlivesFaults: while no database bears the name, no call that may
// succeed later ends the run, and one whose answer was lost is not taken for a refusal.
func TestRestorationOutlivesFaults(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(f *rdsCalls, renamed time.Duration) (code string, instead bool)
		told   string
	}{
		"the network is gone":   {func(*rdsCalls, time.Duration) (string, bool) { return "", true }, "warning: trying anew every 10s: describe "},
		"RDS throttles":         {func(*rdsCalls, time.Duration) (string, bool) { return "Throttling", true }, "warning: trying anew every 10s: describe "},
		"the repeat is refused": {func(*rdsCalls, time.Duration) (string, bool) { return "InvalidDBInstanceState", true }, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := available(own, own+"-restored")
			r, _, progress := f.restoration(t, "staging", restoreTo())
			var first time.Time
			f.answer = func(action string) (string, bool) {
				if f.instances[own] != nil {
					return "", false
				}
				if first.IsZero() {
					first = time.Now()
				}
				// In the minute after the first rename.
				if time.Since(first) >= 50*time.Second || c.told == "" && action == "DescribeDBInstances" {
					return "", false
				}
				return c.answer(f, time.Since(first))
			}
			id, err := r.Do(t.Context())
			if err != nil || id != "was-"+own+"-restored" || f.instances[own] == nil || !strings.Contains(progress.String(), c.told) {
				t.Errorf("%s: %q, %v:\n%s", name, id, err, progress)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		f := available(own, own+"-restored")
		r, _, _ := f.restoration(t, "staging", restoreTo())
		f.answer = func(action string) (string, bool) { return "InvalidDBInstanceState", action == "ModifyDBInstance" }
		began := time.Now()
		if _, err := r.Do(t.Context()); err == nil || !strings.Contains(err.Error(), "rename "+own+" to "+own+"-replaced") || time.Since(began) > 3*time.Minute {
			t.Errorf("what RDS goes on refusing: %v after %s", err, time.Since(began))
		}
		f.answer = func(action string) (string, bool) { return "AccessDenied", action == "ModifyDBInstance" }
		began = time.Now()
		if _, err := r.Do(t.Context()); err == nil || time.Since(began) > time.Minute {
			t.Errorf("what nobody may do: %v after %s", err, time.Since(began))
		}
	})
}

// TestRestorationIsCheckedAfterTheQuestion: what somebody did while the question was open is refused
// before anything is done.
func TestRestorationIsCheckedAfterTheQuestion(t *testing.T) {
	goBack := func(f *rdsCalls) {
		f.rename(own, own+"-restored")
		f.rename(own+"-replaced", own)
		f.status(own, "available")
	}
	for name, c := range map[string]struct {
		choices RestoreChoices
		other   string // besides the database
		happens func(*rdsCalls)
	}{
		"discard, somebody goes back":      {RestoreChoices{discard: true}, "-replaced", goBack},
		"back, somebody goes back":         {RestoreChoices{back: true}, "-replaced", goBack},
		"discard, there is another by now": {RestoreChoices{discard: true}, "-restored", func(f *rdsCalls) { f.instances[own+"-restored"].DbiResourceId = aws.String("later") }},
		"restore, somebody restores":       {restoreTo(), "-restored", func(f *rdsCalls) { f.rename(own, own+"-replaced"); f.rename(own+"-restored", own) }},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := available(own, own+c.other)
			r, out, _ := f.restoration(t, "staging", c.choices)
			c.happens(f)
			var err error
			if c.choices.discard {
				err = r.Discard(t.Context())
			} else {
				_, err = r.Do(t.Context())
			}
			if err == nil || !strings.Contains(err.Error(), "nothing was done") || console.NextOf(err) != r.choices.Line() || len(f.calls) > 0 || out.Len() > 0 {
				t.Errorf("%s: %v, next: %s, calls %q, %s", name, err, console.NextOf(err), f.calls, out)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) { // and while it was at work
		f := available(own, own+"-restored", own+"-replaced")
		r, _, _ := available(own, own+"-restored").restoration(t, "staging", restoreTo())
		r.client = rds.NewFromConfig(aws.Config{Region: "us-west-2", HTTPClient: f, Credentials: aws.AnonymousCredentials{}})
		began := time.Now()
		if err := r.rename(t.Context(), own, own+"-replaced"); err == nil || !strings.Contains(err.Error(), "there is another instance "+own+"-replaced") || time.Since(began) > time.Minute {
			t.Errorf("both names are there: %v after %s", err, time.Since(began))
		}
	})
}

// TestDiscard returns when the name is free, and a protected environment keeps its
// backups.
func TestDiscard(t *testing.T) {
	for env, want := range map[string][]string{
		"staging": {"DeleteDBInstance DBInstanceIdentifier=doc-platform-staging-restored&SkipFinalSnapshot=true"},
		"production": {
			"ModifyDBInstance ApplyImmediately=true&DBInstanceIdentifier=doc-platform-production-restored&DeletionProtection=false",
			"DeleteDBInstance DBInstanceIdentifier=doc-platform-production-restored&DeleteAutomatedBackups=false&FinalDBSnapshotIdentifier=doc-platform-production-restored-20000101000000&SkipFinalSnapshot=false",
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			restored := "doc-platform-" + env + "-restored"
			f := available("doc-platform-"+env, restored)
			r, out, progress := f.restoration(t, env, RestoreChoices{discard: true})
			interrupted, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := r.Discard(interrupted); !errors.Is(err, context.DeadlineExceeded) || out.Len() > 0 {
				t.Errorf("%s: %v, %s", env, err, out)
			}
			if _, err := r.await(t.Context(), restored); err == nil || !strings.HasPrefix(console.NextOf(err), "aws rds wait db-instance-deleted") {
				t.Errorf("%s: waits for what is being deleted: %v, next: %s", env, err, console.NextOf(err))
			}
			if err := r.Discard(t.Context()); err != nil || len(f.instances) != 1 || !strings.Contains(out.String(), env+": "+restored+" is deleted") {
				t.Errorf("%s: %v, %v, %s", env, err, f.instances, out)
			}
			if diff := cmp.Diff(want, f.calls); diff != "" {
				t.Errorf("%s: calls (-want +got):\n%s", env, diff)
			}
			if !strings.Contains(progress.String(), restored+" is deleting") {
				t.Errorf("%s: told:\n%s", env, progress)
			}
		})
	}
}
