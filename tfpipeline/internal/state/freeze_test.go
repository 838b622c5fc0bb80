package state_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/tfpipeline/internal/deploy"
	"github.com/specboard/platform/tfpipeline/internal/state"
)

func TestFreeze(t *testing.T) {
	inTime(t, func(ctx context.Context, t *testing.T, b *bucket) {
		h := state.New(b.config(), configtest.Docs()).History("staging")
		if f := ok(h.Frozen(ctx))(t); f != nil {
			t.Errorf("frozen: %v", f)
		}
		first := &deploy.Freeze{Why: "holidays", Actor: "ada", Since: time.Now().UTC().Truncate(time.Second)}
		if before := ok(h.SetFreeze(ctx, first, "one"))(t); before != nil {
			t.Errorf("before: %v", before)
		}
		if d := cmp.Diff(first, ok(h.Frozen(ctx))(t)); d != "" {
			t.Errorf("frozen (-want +got):\n%s", d)
		}
		if before := ok(h.SetFreeze(ctx, nil, "two"))(t); before == nil || before.Why != "holidays" {
			t.Errorf("before: %v", before)
		}
		if f := ok(h.Frozen(ctx))(t); f != nil {
			t.Errorf("frozen: %v", f)
		}
		// Of all that the history tells, a freeze is none.
		if records, skipped, err := h.Recent(ctx); err != nil || len(records)+len(skipped) > 0 {
			t.Errorf("%v, %v, %v", records, skipped, err)
		}
		b.objects["history/production/freeze.journal.json"] = `{"environment":"staging"}`
		_, err := state.New(b.config(), configtest.Docs()).History("production").Frozen(ctx)
		if foreign, isForeign := errors.AsType[*state.ForeignError](err); !isForeign || foreign.Key != "history/production/freeze.journal.json" {
			t.Errorf("error %v", err)
		}
	})
}
