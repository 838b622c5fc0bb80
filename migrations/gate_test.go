package migrations

import (
	"strings"
	"testing"
)

func releases(names ...string) []Release {
	var list []Release
	for _, name := range names {
		tag, commit, _ := strings.Cut(name, "@")
		list = append(list, Release{Tag: tag, Commit: commit})
	}
	return list
}

func contract(number int, since string) Migration {
	return Migration{Number: number, Name: "drop_x", Header: Header{Phase: Contract, UnusedSince: since}}
}

func TestGate(t *testing.T) {
	expand := Migration{Number: 1, Name: "add_x", Header: Header{Phase: Expand}}
	// Not the order of the version numbers: v1.10 is the oldest.
	order := releases("v1.10@aaaaaaaaaaaa", "v1.9@bbbbbbbbbbbb", "v2.0@cccccccccccc", "v1.11@dddddddddddd")
	tests := []struct {
		name    string
		pending []Migration
		s       Situation
		want    []string // parts of the refusals, one each
	}{
		{"nothing pending", nil, Situation{Order: order, Running: releases("v1.10")}, nil},
		{"only expand", []Migration{expand}, Situation{Order: order, Running: releases("v1.10")}, nil},
		{"first deployment", []Migration{expand, contract(2, "v0.1")}, Situation{}, nil},
		{"running is the one", []Migration{contract(2, "v2.0")}, Situation{Order: order, Running: releases("v2.0")}, nil},
		{"running is newer", []Migration{contract(2, "v1.9")}, Situation{Order: order, Running: releases("v2.0", "v1.11")}, nil},
		{"running is older", []Migration{contract(2, "v2.0")}, Situation{Order: order, Running: releases("v1.9")},
			[]string{"contract 0002_drop_x takes away what v1.9 (running) may still use: it is older than v2.0"}},
		{"by history and not by number", []Migration{contract(2, "v1.9")}, Situation{Order: order, Running: releases("v1.10")},
			[]string{"v1.10 (running) may still use: it is older than v1.9"}},
		{"one of two running", []Migration{contract(2, "v2.0")}, Situation{Order: order, Running: releases("v1.11", "v1.9")},
			[]string{"v1.9 (running)"}},
		{"rollback target is older", []Migration{contract(2, "v2.0")}, Situation{Order: order, Running: releases("v2.0"), Targets: releases("v2.0", "v1.9")},
			[]string{"v1.9 (rollback target)"}},
		{"running and target at once count once", []Migration{contract(2, "v2.0")}, Situation{Order: order, Running: releases("v1.9"), Targets: releases("v1.9")},
			[]string{"v1.9 (running)"}},
		{"two contracts", []Migration{contract(2, "v1.9"), expand, contract(3, "v1.11")}, Situation{Order: order, Running: releases("v2.0"), Targets: releases("v1.10")},
			[]string{"0002_drop_x takes away what v1.10", "0003_drop_x takes away what v2.0", "0003_drop_x takes away what v1.10"}},
		{"unknown unused-since", []Migration{contract(2, "v9")}, Situation{Order: order, Running: releases("v2.0")},
			[]string{"v2.0 (running) may still use: it cannot be compared with v9"}},
		{"unknown release runs", []Migration{contract(2, "v1.9")}, Situation{Order: order, Running: releases("hotfix")},
			[]string{"hotfix (running) may still use: it cannot be compared"}},
		{"unknown order, but it is the very release", []Migration{contract(2, "v9")}, Situation{Running: releases("v9")}, nil},
		{"a release that the environment passed over", []Migration{contract(2, "v1.9")}, Situation{Order: order, Running: releases("v1.11")}, nil},
		{"by commit", []Migration{contract(2, "v2.0")}, Situation{Order: order, Running: releases("@bbbbbbbbbbbb", "@cccccccccccc")},
			[]string{"bbbbbbbbbbbb (running)"}},
		{"unused-since as a short commit", []Migration{contract(2, "ccccccc")}, Situation{Order: order, Running: releases("v1.9", "v2.0")},
			[]string{"v1.9 (running)"}},
		{"too short to be a commit", []Migration{contract(2, "ccc")}, Situation{Order: order, Running: releases("v2.0")},
			[]string{"cannot be compared with ccc"}},
		{"rolled back and promoted again", []Migration{contract(2, "v1.9")}, Situation{Order: append(order, releases("v1.10")...), Running: releases("v1.10")},
			[]string{"v1.10 (running)"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { expect(t, Gate(tt.pending, tt.s), tt.want) })
	}
}

func TestGateRollback(t *testing.T) {
	order := releases("v1", "v2", "v3", "v4")
	tests := []struct {
		name    string
		target  string
		applied []AppliedContract
		want    []string
	}{
		{"no contract", "v1", nil, nil},
		{"applied since, and needed", "v1", []AppliedContract{{"0005_drop_x", "v2", "v3"}},
			[]string{"v1 is older than v2 and may need what contract 0005_drop_x took away"}},
		{"applied since, and not needed any more", "v2", []AppliedContract{{"0005_drop_x", "v2", "v3"}}, nil},
		{"applied by the target itself", "v3", []AppliedContract{{"0005_drop_x", "v3", "v3"}}, nil},
		{"applied by the target, unused-since later than it", "v3", []AppliedContract{{"0005_drop_x", "v4", "v3"}}, nil},
		{"applied before the target", "v4", []AppliedContract{{"0005_drop_x", "unknown", "v3"}}, nil},
		{"applied by a release that the order lacks", "v1", []AppliedContract{{"0005_drop_x", "v2", "failed"}}, []string{"v1 is older than v2"}},
		{"unused-since unknown", "v1", []AppliedContract{{"0005_drop_x", "v9", "v3"}}, []string{"v1 cannot be compared with v9"}},
		{"target unknown", "v0", []AppliedContract{{"0005_drop_x", "v2", "v3"}}, []string{"v0 cannot be compared with v2"}},
		{"two of three", "v1", []AppliedContract{{"0003_drop_x", "v1", "v2"}, {"0005_drop_y", "v2", "v3"}, {"0006_drop_z", "v3", "v4"}},
			[]string{"0005_drop_y", "0006_drop_z"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { expect(t, GateRollback(Release{Tag: tt.target}, tt.applied, order), tt.want) })
	}
}

func expect(t *testing.T, got []Refusal, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("refusals %v, want %d", got, len(want))
	}
	for i, w := range want {
		if !strings.Contains(got[i].String(), w) {
			t.Errorf("refusal %q, want %q in it", got[i], w)
		}
	}
}
