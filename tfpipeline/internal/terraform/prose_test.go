package terraform

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// TestProse reads what Terraform and the provider said.
func TestProse(t *testing.T) {
	recorded, err := txtar.ParseFile("testdata/prose.txtar")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, f := range recorded.Files {
		want, resource, _ := strings.Cut(strings.TrimSuffix(f.Name, ".txt"), "-")
		kinds[want]++
		err := classify(errors.New(string(f.Data)))
		address := strings.TrimPrefix(resource, "aws-") + ".a"
		got := "other"
		switch {
		case isKind[*StalePlanError](err):
			got = "stale"
		case isKind[*NoBucketError](err):
			got = "nobucket"
		case Taken(err):
			got = "taken"
		case absentAddress(string(f.Data), []Import{{Address: "aws_other.a", ID: "o"}, {Address: address, ID: "i"}}) == address:
			got = "absent"
		}
		if got != want {
			t.Errorf("%s: taken for %s:\n%s", f.Name, got, f.Data)
		}
	}
	for _, kind := range []string{"stale", "nobucket", "taken", "absent", "other"} {
		if kinds[kind] < 2 {
			t.Errorf("%d records of %s", kinds[kind], kind)
		}
	}
}

func isKind[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}
