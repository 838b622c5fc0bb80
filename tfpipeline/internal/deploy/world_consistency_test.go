package deploy

import (
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/synctest"
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

var (
	firstSeed = flag.Uint64("seed", 1, "first seed of the consistency mode")
	seeds     = flag.Uint64("seeds", 1, "how many seeds of the consistency mode to try")
)

// TestEveryStepDisturbedUnderOldReads is the matrix with a world whose reads lag
// behind its writes, one seed for each disturbance: no outcome may contradict
// what the world shows in the end. To run one seed again: -seed N -run NAME.
//
// Neighbouring calls share the disturbances out; make soak, and -seeds, make each
// of every call.
func TestEveryStepDisturbedUnderOldReads(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			points, begin := s.points(t)
			for seed := *firstSeed; seed < *firstSeed+*seeds; seed++ {
				for i, at := range sampled(points) {
					for _, f := range shared(at.faults(), i) {
						t.Run(fmt.Sprintf("%s/%s-%d/%s/seed-%d", at.step, at.call, at.nth, f, seed), func(t *testing.T) {
							synctest.Test(t, func(t *testing.T) {
								w := begin.restore()
								w.inconsistent(seed ^ hash(t.Name()))
								s.disturb(t, w, at, f, &strings.Builder{})
							})
						})
					}
				}
			}
		})
	}
}

// shared is every third disturbance, beginning with another at each call.
func shared(all []fault, call int) []fault {
	if os.Getenv("SOAK") != "" || *seeds > 1 {
		return all
	}
	var some []fault
	for i := call % 3; i < len(all); i += 3 {
		some = append(some, all[i])
	}
	return some
}

func hash(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}
