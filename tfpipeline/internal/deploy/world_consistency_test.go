package deploy

import (
	"math/rand/v2"
	"time"
)

// staleFor is the longest that a read shows what was before a write: ECS is
// eventually consistent.
const staleFor = 20 * time.Second

// inconsistent has reads lag behind writes from here on, as a seed draws it.
func (w *world) inconsistent(seed uint64) { w.consistency = rand.New(rand.NewPCG(seed, 2)) }

// lag is how long the write that happens now may not be shown.
func (w *world) lag() time.Duration {
	if w.consistency == nil {
		return 0
	}
	return time.Duration(w.consistency.Int64N(int64(staleFor)))
}

// late reports whether a read made now still misses what is shown for sure from
// a time on.
func (w *world) late(sure time.Time) bool {
	return w.consistency != nil && time.Now().Before(sure) && w.consistency.IntN(2) == 0
}

// write is called before a service is changed.
func (w *world) write(s *fakeService) {
	if w.consistency == nil {
		return
	}
	if !time.Now().Before(s.stale) {
		s.before = new(s.show())
	}
	s.stale = time.Now().Add(w.lag())
}

// read is a service as a read shows it, and whether it does.
func (w *world) read(s *fakeService) (Service, bool) {
	now := s.show()
	if !w.late(s.stale) {
		return now, true
	}
	switch w.consistency.IntN(6) {
	case 0:
		return Service{}, false
	case 1:
		now.Gone = true
	case 2:
		now.Deployment = nil
	case 3:
		now.Deployment = s.before.Deployment
	default:
		return *s.before, true
	}
	return now, true
}
