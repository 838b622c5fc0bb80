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
	if err := a.again(ctx, func(ctx context.Context) error { return a.Lock.Release(ctx, l) }); err != nil {
		return fmt.Errorf("remove the lock: %w", err)
	}
	return nil
}
