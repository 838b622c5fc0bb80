package deploy

import (
	"context"
	"fmt"
)

// Unlock removes a lock that exists, as Lock.Holder returned it, whatever its
// holder left behind: a person has decided that nothing is to be continued. An
// attempt that died without a record gets one first, so that the history tells
// of it and a rollback knows what it touched.
func (p *Pipeline) Unlock(ctx context.Context, l Lease) error {
	a := &attempt{Pipeline: p, limits: p.Limits.orDefault(), step: StepUnlock}
	if err := a.readHistory(ctx); err != nil {
		return err
	}
	left, err := a.leftover(ctx, l)
	if err != nil {
		return err
	}
	if err := a.closeBooks(ctx, left); err != nil {
		return err
	}
	err = a.again(ctx, func(ctx context.Context) error {
		// It was shown to a person, who took its holder for gone.
		now, err := a.Lock.Holder(ctx)
		switch {
		case err != nil || now == nil:
			return err
		case now.Version != l.Version:
			return fmt.Errorf("it was renewed since it was shown: %s", heldBy(now))
		}
		return a.Lock.Release(ctx, l)
	})
	if err != nil {
		return fmt.Errorf("remove the lock: %w", err)
	}
	return nil
}
