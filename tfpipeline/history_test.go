package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/state"
)

// archive puts records of former years into the history, and returns the index
// of all that is there.
func (w *promotions) archive(n int) (index string) {
	w.t.Helper()
	var records []deploy.Record
	texts := map[string]string{}
	for i := range n {
		began := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * time.Hour)
		r := deploy.Record{
			Version: deploy.RecordVersion, ID: began.Format("20060102T150405Z") + "-aaaaaa", Kind: deploy.KindPromote, Environment: "staging",
			Actor: "ada", Started: began, Ended: began.Add(time.Minute), Outcome: deploy.Deployed,
			Release: deploy.Release{Tag: fmt.Sprintf("v0.%d", i), Commit: fmt.Sprintf("%040x", i+1)},
		}
		text, err := json.Marshal(r)
		if err != nil {
			w.t.Fatal(err)
		}
		records, texts["history/staging/"+r.ID+".json"] = append(records, r), string(text)
	}
	// Without the objects, none has to be read.
	if err := state.New(localConfig(w.cloud.url), w.cloud.platform).History("staging").UpdateIndex(w.t.Context(), records...); err != nil {
		w.t.Fatal(err)
	}
	maps.Copy(w.cloud.objects, texts)
	return w.cloud.objects["history/staging/index.journal.json"]
}

var anyID = regexp.MustCompile(`[0-9]{8}T[0-9]{6}Z-[a-z]{6}`)

// reads counts the requests for the history that a run of the program makes.
func (w *promotions) reads(args ...string) map[string]int {
	w.t.Helper()
	w.cloud.mu.Lock()
	w.cloud.history = nil
	w.cloud.mu.Unlock()
	w.must(0, args...)
	w.cloud.mu.Lock()
	defer w.cloud.mu.Unlock()
	counts := map[string]int{}
	for _, r := range w.cloud.history {
		counts[anyID.ReplaceAllString(r, "ID")]++
	}
	return counts
}

// What a verb asks of S3 does not depend on how many records there are, or on
// whether old ones were moved away.
func TestALongHistoryCostsNoMoreThanAShortOne(t *testing.T) {
	t.Parallel()
	costs, long := map[int]map[string]map[string]int{}, 20_000
	if testing.Short() {
		long = 2_000
	}
	for _, n := range []int{20, long} {
		w := newPromotions(t)
		w.release("v1.0")
		w.must(0, "promote", "-env", "staging", "-release", "v1.0")
		index := w.archive(n)
		// An earlier release of this program left none.
		delete(w.cloud.objects, "history/staging/index.journal.json")
		first := w.reads("status", "-env", "staging")
		if got := first["GET history/staging/ID.json"]; got > 40 {
			t.Errorf("%d records, no index: status reads %d of them", n, got)
		}
		w.cloud.objects["history/staging/index.journal.json"] = index
		w.release("v1.1")
		w.must(0, "promote", "-env", "staging", "-release", "v1.1")
		w.release("v1.2")
		costs[n] = map[string]map[string]int{
			"status":   w.reads("status", "-env", "staging"),
			"promote":  w.reads("promote", "-env", "staging", "-release", "v1.2"),
			"rollback": w.reads("rollback", "-env", "staging"),
			"to":       w.reads("rollback", "-env", "staging", "-to", "v1.0"),
		}
		if n > 20 {
			continue
		}
		// Everything from before is archived.
		w.cloud.mu.Lock()
		for key, content := range maps.Clone(w.cloud.objects) {
			if rest, ok := strings.CutPrefix(key, "history/staging/2"); ok && !strings.Contains(key, "index") {
				w.cloud.objects["archive/staging/2"+rest] = content
				delete(w.cloud.objects, key)
			}
		}
		w.cloud.mu.Unlock()
		out, _ := w.must(0, "status", "-env", "staging")
		mentions(t, out, "staging: v1.0 (")
		w.must(0, "rollback", "-env", "staging", "-to", "v1.1")
		_, stderr := w.must(1, "rollback", "-env", "staging", "-to", "v0.3")
		mentions(t, stderr, "the record 20200101T030000Z-aaaaaa of v0.3", "is no longer in the history: copy it back if it was archived")
	}
	if d := cmp.Diff(costs[20], costs[long]); d != "" {
		t.Errorf("requests with 20 and with %d records (-few +many):\n%s", long, d)
	}
}

// A rollback that takes over the lease of a killed apply removes its state lock
// too, and nobody else's.
func TestARollbackRemovesTheStateLockOfAKilledApply(t *testing.T) {
	t.Parallel()
	const dead, another = "20261123T080000Z-abcdef", "20261123T080000Z-zzzzzz"
	w := newPromotions(t)
	w.release("v1.0")
	w.must(0, "promote", "-env", "staging", "-release", "v1.0")
	w.release("v1.1")
	w.must(0, "promote", "-env", "staging", "-release", "v1.1")
	for _, holder := range []string{dead, another} {
		w.leaveDead(dead, "c0ffee")
		w.cloud.mu.Lock()
		w.cloud.objects["terraform/staging.tfstate.tflock"] = `{"ID":"1","Operation":"OperationTypeApply","Info":"tfpipeline ` + holder + `","Who":"ada@runner"}`
		w.cloud.mu.Unlock()
		_, stderr := w.must(0, "rollback", "-env", "staging")
		left := w.keys("terraform/staging.tfstate.tflock")
		if holder == another {
			if len(left) != 1 {
				t.Error("the state lock of another run was removed")
			}
			continue
		}
		mentions(t, stderr, "staging: removed the state lock of ada@runner, run "+dead+" of tfpipeline, which died")
		if len(left)+len(w.keys("locks/")) != 0 {
			t.Errorf("left: %v %v", left, w.keys("locks/"))
		}
	}
}

// A run that is killed between the end of its work and the message to people
// loses no message: settle sends it, and sends it once.
func TestSettleTellsWhatADeadRunCouldNot(t *testing.T) {
	t.Parallel()
	w := newPromotions(t)
	w.env = append(w.env, "NOTIFY_URL="+w.cloud.url+"/hook")
	w.release("v1.0")
	w.must(0, "promote", "-env", "staging", "-release", "v1.0")
	id := w.record().ID
	died := func() {
		if err := os.WriteFile(filepath.Join(w.cache, "runs", id+".json"), []byte(`{"Environment":"staging","Attempt":"`+id+`"}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sent := len(w.cloud.posts)
	died()
	w.must(0, "settle", "-env", "staging")
	if len(w.cloud.posts) != sent {
		t.Errorf("told twice: %q", w.cloud.posts)
	}
	delete(w.cloud.objects, "history/staging/index.journal.json") // it died before
	died()
	out, _ := w.must(0, "settle", "-env", "staging")
	mentions(t, out, "staging: people are told how "+id+" ended: deployed")
	if len(w.cloud.posts) != sent+1 {
		t.Fatalf("posts: %q", w.cloud.posts)
	}
	mentions(t, w.cloud.posts[sent], "v1.0 is deployed to every service")
	died()
	w.must(0, "settle", "-env", "staging")
	if len(w.cloud.posts) != sent+1 {
		t.Errorf("told twice: %q", w.cloud.posts)
	}
}

// Nobody is told of a restart, scale or change of a secret, however it ended: settle
// records one that was killed, and sends nothing.
func TestSettleTellsNobodyOfAKilledRestart(t *testing.T) {
	t.Parallel()
	w := newPromotions(t)
	w.env = append(w.env, "NOTIFY_URL="+w.cloud.url+"/hook")
	w.release("v1.0")
	w.must(0, "promote", "-env", "staging", "-release", "v1.0")
	sent := len(w.cloud.posts)
	for i, kind := range []deploy.Kind{deploy.KindRestart, deploy.KindScale, deploy.KindSecret} {
		now := time.Now().UTC()
		id := now.Format("20060102T150405Z") + "-zzzzz" + string(rune('a'+i))
		w.cloud.mu.Lock()
		w.cloud.objects["locks/staging.json"] = `{"environment":"staging","record_id":"` + id + `","kind":"` + string(kind) + `","since":"` + now.Format(time.RFC3339Nano) + `","until":"` + now.Add(time.Minute).Format(time.RFC3339Nano) + `"}`
		w.cloud.mu.Unlock()
		if err := os.WriteFile(filepath.Join(w.cache, "runs", id+".json"), []byte(`{"Environment":"staging","Attempt":"`+id+`"}`), 0o600); err != nil {
			t.Fatal(err)
		}
		out, _ := w.must(0, "settle", "-env", "staging")
		if len(w.keys("history/staging/"+id)) != 1 || len(w.keys("locks/")) != 0 {
			t.Errorf("%s: records %v, locks %v", kind, w.keys("history/staging/"), w.keys("locks/"))
		}
		if len(w.cloud.posts) != sent || strings.Contains(out, "people are told") {
			t.Errorf("%s: told %q: %s", kind, w.cloud.posts[sent:], out)
		}
	}
}

// The program of an old tag, which a re-run of its workflow uses, leaves alone
// what a newer one has written.
func TestARecordOfANewerFormatIsRefused(t *testing.T) {
	t.Parallel()
	w := newPromotions(t)
	w.release("v1.0")
	w.must(0, "promote", "-env", "staging", "-release", "v1.0")
	old := maps.Clone(w.cloud.objects)
	for name, newer := range map[string]func(key string) bool{
		"record": func(key string) bool { return anyID.MatchString(key) && !strings.HasSuffix(key, ".journal.json") },
		"index":  func(key string) bool { return strings.HasSuffix(key, "index.journal.json") },
	} {
		w.cloud.mu.Lock()
		w.cloud.objects = maps.Clone(old)
		for key, content := range old {
			switch {
			case newer(key):
				w.cloud.objects[key] = anyVersion.ReplaceAllString(content, `"version":99`)
			case strings.HasSuffix(key, "index.journal.json"):
				delete(w.cloud.objects, key) // so that the record is read
			}
		}
		before := maps.Clone(w.cloud.objects)
		w.cloud.mu.Unlock()
		for _, args := range [][]string{{"promote", "-env", "staging", "-release", "v1.0"}, {"rollback", "-env", "staging"}, {"status", "-env", "staging"}} {
			_, stderr := w.must(1, args...)
			mentions(t, stderr, "has format version 99, which is newer than this program", "next: in a workflow start prod-rollback, whose program is main's")
		}
		if d := cmp.Diff(before, w.cloud.objects); d != "" {
			t.Errorf("%s: objects (-before +after):\n%s", name, d)
		}
	}
}

var anyVersion = regexp.MustCompile(`"version": ?[0-9]+`)
