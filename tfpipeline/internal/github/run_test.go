package github

import "testing"

func TestReadRun(t *testing.T) {
	env := map[string]string{}
	read := func() Run { return ReadRun(func(name string) string { return env[name] }) }
	if r := read(); r != (Run{}) || r.Client() != nil {
		t.Errorf("on a laptop: %+v", r)
	}
	env = map[string]string{
		"GITHUB_ACTOR": "ada", "GITHUB_TRIGGERING_ACTOR": "ada", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "o/r", "GITHUB_RUN_ID": "7",
	}
	if r := read(); r.Actor != "ada" || r.URL != "https://github.com/o/r/actions/runs/7" {
		t.Errorf("a first run: %+v", r)
	}
	env["GITHUB_TRIGGERING_ACTOR"], env["GITHUB_RUN_ATTEMPT"] = "grace", "2"
	if r := read(); r.Actor != "ada, re-run by grace" || r.URL != "https://github.com/o/r/actions/runs/7/attempts/2" {
		t.Errorf("a re-run: %+v", r)
	}
}
