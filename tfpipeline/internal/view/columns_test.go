package view

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestColumnsCountCells(t *testing.T) {
	got := columns([][]string{
		{"SERVICE", "PHASE", "BY"},
		{"api", "in progress", "ada"},
		{"検索", "pending", "李雷"},
		{"cafe\u0301", "done", "", "more than the head has"},
	})
	want := []string{
		"SERVICE  PHASE        BY",
		"api      in progress  ada",
		"検索     pending      李雷",
		"cafe\u0301     done               more than the head has",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("columns (-want +got):\n%s", d)
	}
}

func TestFitCountsCells(t *testing.T) {
	for _, test := range []struct {
		line  string
		width int
		want  string
	}{
		{"a line that fits", 17, "a line that fits"},
		{"a line that wraps", 17, "a line that wra…"},
		{"検索サービス", 13, "検索サービス"},
		{"検索サービス", 12, "検索サービ…"},
		{"検索サービス", 9, "検索サ…"},
		{"no terminal", 0, "no terminal"},
	} {
		if got := fit(test.line, test.width); got != test.want {
			t.Errorf("%q in %d cells is %q, want %q", test.line, test.width, got, test.want)
		}
	}
}
