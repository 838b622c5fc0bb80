package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/migrations"
)

func TestServiceRoles(t *testing.T) {
	got, err := serviceRoles(map[string]string{
		"DB_ROLES":        `{"reports": "read", "mail_queue": "write"}`,
		"DB_ROLE_REPORTS": `{"username": "reports_v2", "password": "c4nary"}`, "DB_ROLE_MAIL_QUEUE": `{"username": "mail_queue_v1", "password": "other"}`,
	})
	want := []migrations.ServiceRole{
		{Name: "mail_queue", Write: true, Login: "mail_queue_v1", Password: "other"},
		{Name: "reports", Login: "reports_v2", Password: "c4nary"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if got := describeRoles(got); got != "mail_queue_v1 may read and write, reports_v2 may read" {
		t.Error(got)
	}
	if got, err := serviceRoles(nil); got != nil || err != nil {
		t.Errorf("nothing asked: %v, %v", got, err)
	}
	for _, tt := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"DB_ROLES": "reports"}, `DB_ROLES is "reports"; it must be as {"reports": "read"}`},
		{map[string]string{"DB_ROLES": `{"a": "read", "b": "own"}`, "DB_ROLE_B": `{"username": "b_v1", "password": "c4nary"}`},
			"DB_ROLE_A is not set, which holds the user and the password of the database role a\n" + `DB_ROLES grants "own" to b; it must be "read" or "write"`},
		{map[string]string{"DB_ROLES": `{"a": "read"}`, "DB_ROLE_A": "c4nary"}, "DB_ROLE_A is not a JSON document (its text is not shown)"},
	} {
		if _, err := serviceRoles(tt.env); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "c4nary") {
			t.Errorf("%v: %v", tt.env, err)
		}
	}
	code, _, errs := invoke(t, []string{"DB_HOST=127.0.0.1", "DB_NAME=a", "DB_USER=a", `DB_ROLES={"a": "read"}`, `DB_ROLE_A={"username": "b_v1", "password": "c4nary"}`}, "up")
	if code != exitFailed || !strings.Contains(errs, `role a: its login is "b_v1"; it must be a_v and a number, such as a_v1`) || strings.Contains(errs, "c4nary") {
		t.Errorf("exit %d: %s", code, errs)
	}
}
