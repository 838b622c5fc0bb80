package view_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/plan"
	"github.com/specboard/platform/tfpipeline/internal/view"
)

var update = flag.Bool("update", false, "rewrite the goldens")

type object = map[string]any

func parse(t *testing.T, root string, parts object) *plan.Plan {
	t.Helper()
	parts["format_version"] = "1.2"
	b, err := json.Marshal(parts)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Parse(root, b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func change(address, kind string, actions []string, before, after any, more object) object {
	c := object{"actions": actions, "before": before, "after": after}
	r := object{"address": address, "type": kind, "mode": "managed", "change": c}
	for k, v := range more {
		if k == "replace_paths" {
			c[k] = v
		} else {
			r[k] = v
		}
	}
	return r
}

func TestCommentGolden(t *testing.T) {
	staging := parse(t, "staging", object{
		"resource_changes": []object{
			change("module.api.aws_ecs_service.this", "aws_ecs_service", []string{"update"}, object{"health_check_grace_period_seconds": 30.0}, object{"health_check_grace_period_seconds": 60.0}, nil),
			change("module.database.aws_db_instance.this", "aws_db_instance", []string{"delete", "create"}, object{"identifier": "a"}, object{"identifier": "b"},
				object{"action_reason": "replace_because_cannot_update", "replace_paths": []any{[]any{"identifier"}}}),
			change("module.old.aws_sns_topic.this", "aws_sns_topic", []string{"delete"}, object{}, nil, object{"action_reason": "delete_because_no_module"}),
			change(`module.new["a|b"].aws_sns_topic.this`, "aws_sns_topic", []string{"create"}, nil, object{}, nil),
		},
		"resource_drift": []object{
			change("module.api.aws_ecs_service.this", "aws_ecs_service", []string{"update"}, object{"desired_count": 0.0}, object{"desired_count": 2.0}, nil),
		},
		"output_changes": object{"url": object{"actions": []string{"update"}}},
	})
	moved := parse(t, "production", object{"resource_changes": []object{
		change("module.b.x.y", "x", []string{"no-op"}, object{}, object{}, object{"previous_address": "module.a.x.y"}),
	}})
	none := parse(t, "shared", object{})
	got := view.Comment{
		Sections: []view.Section{
			{Root: "shared", Plan: none},
			{Root: "staging", Plan: staging, Refused: []plan.Violation{{Address: "module.database.aws_db_instance.this", What: "destroys and replaces the database"}}},
			{Root: "production", Plan: moved},
			{Root: "preview", Error: "init: Error: no such bucket ```\n@everyone <b>"},
		},
		RunURL: "https://github.com/o/r/actions/runs/1", Commit: "abc123", Budget: view.CommentBudget,
	}.Markdown()
	const golden = "testdata/comment.md"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("comment (rewrite with -update):\n%s", d)
	}
}

const canary = "Tr0ub4dor-Canary-9f8e7d"

// nasty are texts that would do harm outside of code.
var nasty = []string{"plain", "a`b", "``` ```", "@team", "#12", "</details>", "<script>", "|", "line\nbreak", "\u202eevil", "ünïcode→", "\xff\xfe", "`", "````"}

// TestCommentProperties renders random plans at random budgets.
func TestCommentProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	pick := func() string { return nasty[rng.IntN(len(nasty))] }
	actions := [][]string{{"create"}, {"update"}, {"delete"}, {"delete", "create"}, {"create", "delete"}, {"forget"}, {"read"}, {"no-op"}}
	for i := range 100 {
		var sections []view.Section
		var destroyed []string
		for _, root := range []string{"shared", "staging", "production"} {
			var changes []object
			for j := range rng.IntN(60) {
				a := actions[rng.IntN(len(actions))]
				address := fmt.Sprintf("module.m[%q].t.r%d", pick(), j)
				changes = append(changes, change(address, "t", a,
					object{"password": canary, "text": pick(), "list": []any{pick(), pick()}},
					object{"password": canary + "2", "text": pick() + strings.Repeat("x", rng.IntN(500)), "list": []any{pick()}},
					object{"action_reason": "delete_because_no_module"}))
				if a[0] == "delete" || a[len(a)-1] == "delete" || a[0] == "forget" {
					destroyed = append(destroyed, address)
				}
			}
			s := view.Section{Root: root, Plan: parse(t, root, object{"resource_changes": changes})}
			if rng.IntN(4) == 0 {
				s.Error = strings.Repeat(pick()+"\n", rng.IntN(200))
			}
			sections = append(sections, s)
		}
		c := view.Comment{Sections: sections, RunURL: "https://example.com/run", Budget: 16_000 + rng.IntN(64_000)}
		got := c.Markdown()
		if again := c.Markdown(); again != got {
			t.Fatalf("run %d: two renderings differ", i)
		}
		if len(got) > c.Budget || !utf8.ValidString(got) || !strings.HasPrefix(got, view.Marker+"\n") {
			t.Fatalf("run %d: %d bytes of %d, valid %v", i, len(got), c.Budget, utf8.ValidString(got))
		}
		if strings.Contains(got, canary) {
			t.Fatalf("run %d: a secret is shown", i)
		}
		for _, address := range destroyed {
			if !strings.Contains(got, strings.NewReplacer("\xff\xfe", "�", "\u202e", `\u202e`).Replace(oneLine(address))) {
				t.Fatalf("run %d: %q is destroyed and not named in\n%s", i, address, got)
			}
		}
		checkStructure(t, got)
	}
}

func oneLine(s string) string { return strings.ReplaceAll(s, "\n", "⏎") }

var fenceLine = regexp.MustCompile("^(`{3,})([a-z]*)$")

// checkStructure reads the Markdown as GitHub does: every fence closes, every
// fold closes, and outside of code there is nothing of the plan's.
func checkStructure(t *testing.T, text string) {
	t.Helper()
	open, folds := "", 0
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		m := fenceLine.FindStringSubmatch(line)
		switch {
		case open == "" && m != nil:
			open = m[1]
		case open != "":
			if m != nil && len(m[1]) >= len(open) && m[2] == "" {
				open = ""
			}
		default:
			bare := stripCode(line)
			folds += strings.Count(bare, "<details>") - strings.Count(bare, "</details>")
			for _, bad := range []string{"@team", "<script>", "#12"} {
				if strings.Contains(bare, bad) {
					t.Fatalf("%q stands outside of code in %q", bad, line)
				}
			}
		}
	}
	if open != "" || folds != 0 {
		t.Fatalf("fence %q is open, %d folds are open", open, folds)
	}
}

// stripCode removes code spans, as CommonMark finds them.
func stripCode(line string) string {
	var out strings.Builder
	for i := 0; i < len(line); {
		if line[i] != '`' {
			out.WriteByte(line[i])
			i++
			continue
		}
		n := 0
		for i+n < len(line) && line[i+n] == '`' {
			n++
		}
		rest := line[i+n:]
		end := -1
		for j := 0; j < len(rest); {
			if rest[j] != '`' {
				j++
				continue
			}
			k := 0
			for j+k < len(rest) && rest[j+k] == '`' {
				k++
			}
			if k == n {
				end = j + k
				break
			}
			j += k
		}
		if end < 0 {
			out.WriteString(line[i : i+n])
			i += n
			continue
		}
		i += n + end
	}
	return out.String()
}

// Five hundred destroyed resources do not fit with their reasons, and are all
// named; fifty thousand do not fit at all, and are counted.
func TestDestroyedResourcesComeLast(t *testing.T) {
	make := func(n int) view.Comment {
		var changes []object
		for i := range n {
			changes = append(changes, change(fmt.Sprintf("module.service.aws_thing.number_%05d", i), "aws_thing", []string{"delete"}, object{}, nil, object{"action_reason": "delete_because_no_resource_config"}))
		}
		return view.Comment{Sections: []view.Section{{Root: "staging", Plan: parse(t, "staging", object{"resource_changes": changes})}}, Budget: view.CommentBudget}
	}
	got := make(500).Markdown()
	if n := strings.Count(got, "aws_thing.number_"); n < 500 || len(got) > view.CommentBudget {
		t.Errorf("%d of 500 named in %d bytes", n, len(got))
	}
	got = make(50_000).Markdown()
	if len(got) > view.CommentBudget || !strings.Contains(got, "more that are destroyed") || !strings.Contains(got, "50000 to delete") {
		t.Errorf("%d bytes:\n%.300s", len(got), got)
	}
}
