package account

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/console"
)

// TestRestorationGoesOn: which instances there are says what is left to be done, for
// every point at which an earlier run may have been killed.
func TestRestorationGoesOn(t *testing.T) {
	const at, another = "2026-11-26T08:00:00Z", "2026-11-25T08:00:00Z"
	instance := func(tag string) *types.DBInstance {
		i := &types.DBInstance{}
		if tag != "" {
			i.TagList = []types.Tag{{Key: aws.String(restoredTag), Value: &tag}}
		}
		return i
	}
	plain, restored, other := instance(""), instance(at), instance(another)
	const restore, aside, takes, adopt, restart, waits = "restore db as of", "rename db to db-replaced", "rename db-restored to db", "have Terraform's state", "restart the services", "wait until db-restored"
	for _, c := range []struct {
		name               string
		flags              string
		own, new, replaced *types.DBInstance
		want               []string // how the steps begin
		refused            string
	}{
		{name: "nothing was done", own: plain, want: []string{restore, aside, takes, adopt, restart}},
		{name: "it was restored", own: plain, new: restored, want: []string{waits, aside, takes, adopt, restart}},
		{name: "the name is free", new: restored, replaced: plain, want: []string{takes, adopt, restart}},
		{name: "it bears the name", own: restored, replaced: plain, want: []string{adopt, restart}},
		{name: "another time was restored", own: plain, new: other, refused: "has left db-restored"},
		{name: "another time bears the name", own: other, replaced: plain, refused: "has left db-replaced"},
		{name: "it is done", own: plain, replaced: plain, refused: "has left db-replaced"},
		{name: "there is none", refused: "there is no instance db"},
		{name: "back", flags: "-back", own: plain, replaced: plain, want: []string{"rename db to db-restored", "rename db-replaced to db", adopt, restart}},
		{name: "back, the name is free", flags: "-back", new: plain, replaced: plain, want: []string{"rename db-replaced to db", adopt, restart}},
		{name: "back, it bears the name", flags: "-back", own: plain, new: plain, want: []string{adopt, restart}},
		{name: "back to nothing", flags: "-back", own: plain, refused: "no instance of before"},
		{name: "discard that of before", flags: "-discard", own: plain, replaced: plain, want: []string{"delete db-replaced"}},
		{name: "discard the restored one", flags: "-discard", own: plain, new: plain, want: []string{"delete db-restored"}},
		{name: "discard while the name is free", flags: "-discard", new: plain, replaced: plain, refused: "no instance besides db"},
		{name: "discard nothing", flags: "-discard", own: plain, refused: "no instance besides db"},
	} {
		r := &Restoration{choices: RestoreChoices{Env: "staging", back: c.flags == "-back", discard: c.flags == "-discard"}, own: "db", other: "db-restored", replaced: "db-replaced"}
		r.choices.at, _ = time.Parse(time.RFC3339, at)
		err := r.plan(c.own, c.new, c.replaced)
		if c.refused != "" {
			if err == nil || !strings.Contains(err.Error(), c.refused) || console.NextOf(err) == "" {
				t.Errorf("%s: %v, next: %s", c.name, err, console.NextOf(err))
			}
			continue
		}
		if err != nil || len(r.Steps) != len(c.want) || r.Begun == (c.name == "nothing was done") && c.flags != "-discard" {
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
