package github

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// A plan without rules is a fact about the repository, and no failure; a token that
// may not read them is one.
func TestSettingsOfALimitedPlan(t *testing.T) {
	for message, limited := range map[string]bool{
		"Upgrade to GitHub Pro or make this repository public to enable this feature.": true,
		"Resource not accessible by personal access token":                             false,
	} {
		f, client := newFake(t)
		f.before = func(call string, w http.ResponseWriter) bool {
			if call == "GET " {
				_, _ = w.Write([]byte(`{"private": true}`))
				return true
			}
			for _, path := range []string{"GET /environments/", "GET /branches/", "GET /rulesets"} {
				if strings.HasPrefix(call, path) {
					w.WriteHeader(http.StatusForbidden)
					_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
					return true
				}
			}
			return false
		}
		s, err := client.ReadSettings(t.Context(), []string{"production"}, nil, "main", "v*")
		if (err == nil) != limited || s.Limited != limited || len(s.Environments) > 0 {
			t.Errorf("%s: %+v, %v", message, s, err)
		}
	}
}

// A ruleset counts if it is active, on tags, and holds for all of the tags that
// were asked for; what it says counts, and not its name.
func TestTagRules(t *testing.T) {
	type object = map[string]any
	rules := func(types ...string) (list []object) {
		for _, x := range types {
			list = append(list, object{"type": x})
		}
		return list
	}
	ruleset := func(include, exclude []string, of []object) object {
		return object{
			"target": "tag", "enforcement": "active", "name": "releases", "rules": of,
			"conditions": object{"ref_name": object{"include": include, "exclude": exclude}},
		}
	}
	none, releases := []string{}, []string{"refs/tags/v*"}
	both := rules("creation", "update", "deletion")
	evaluated, branches, bare := ruleset(releases, none, both), ruleset(releases, none, both), ruleset(releases, none, both)
	evaluated["enforcement"], branches["target"] = "evaluate", "branch"
	delete(bare, "conditions")
	for name, c := range map[string]struct {
		rulesets []object
		want     string
	}{
		"none":                  {nil, ""},
		"as printed":            {[]object{ruleset(releases, none, both)}, "creation update"},
		"all tags":              {[]object{ruleset([]string{"~ALL"}, none, both)}, "creation update"},
		"any tag":               {[]object{ruleset([]string{"refs/tags/beta", "refs/tags/*"}, none, both)}, "creation update"},
		"other tags":            {[]object{ruleset([]string{"refs/tags/beta*"}, none, both)}, ""},
		"some of them":          {[]object{ruleset([]string{"refs/tags/v1*"}, none, both)}, ""},
		"not all of them":       {[]object{ruleset(releases, []string{"refs/tags/v9*"}, both)}, ""},
		"all but others":        {[]object{ruleset(releases, []string{"refs/tags/beta*"}, both)}, "creation update"},
		"deletion only":         {[]object{ruleset(releases, none, rules("deletion"))}, ""},
		"two together":          {[]object{ruleset(releases, none, rules("update")), ruleset(releases, none, rules("creation"))}, "creation update"},
		"one for others":        {[]object{ruleset([]string{"refs/tags/x"}, none, both), ruleset(releases, none, rules("creation"))}, "creation"},
		"not active":            {[]object{evaluated}, ""},
		"on branches":           {[]object{branches}, ""},
		"without any condition": {[]object{bare}, ""},
	} {
		f, client := newFake(t)
		f.before = func(call string, w http.ResponseWriter) bool {
			list := []object{}
			for i, x := range c.rulesets {
				x["id"] = i + 1
				if strings.HasPrefix(call, "GET /rulesets/"+string(rune('1'+i))) {
					_ = json.NewEncoder(w).Encode(x)
					return true
				}
				list = append(list, object{"id": i + 1, "name": x["name"], "target": x["target"], "enforcement": x["enforcement"]})
			}
			_ = json.NewEncoder(w).Encode(list)
			return true
		}
		got, err := client.readTagRules(t.Context(), "v*")
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
	}
}
