package deploy

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

// world is everything that a pipeline needs, in memory and on the clock of the
// bubble it is made in. It outlives the processes that act on it.
type world struct {
	mu          sync.Mutex
	platform    config.Platform
	env         string
	latency     time.Duration
	services    map[string]*fakeService
	schedules   map[string]*fakeSchedule
	definitions map[string]*fakeDefinition // by ARN
	deployments map[string]*fakeDeployment
	tasks       map[string]*fakeTask // by ARN
	minimums    map[string]int
	records     []Record
	journals    map[string]Journal
	lease       *Lease
	// putLease is the lease that a process stored last, and when; another one has the
	// Age that it says.
	putLease struct {
		lease *Lease
		at    time.Time
	}
	versions int
	// stateLock is the lock of the Terraform state; "" is nobody's.
	stateLock struct {
		attempt string
		at      time.Time
	}
	images    map[string][]string // service → digests that the registry holds
	kept      []string            // tags given to images
	schema    Schema
	planned   Plan
	applied   []string // fingerprints
	history   []string // commits, the oldest first
	tags      map[string]string
	empty     []string // secrets without a value
	former    map[string][]FormerDeployment
	notified  []Record
	indexed   map[string]bool    // ids of records that the index has
	unhealthy map[string]bool    // services whose targets fail
	targets   map[string]Targets // of services, in place of as many healthy ones as tasks are wanted
	templates map[string]string  // of Terraform, by name; others are the first revision
	onApply   func()
	// sick are services one of whose tasks fails its own health check.
	sick map[string]bool
	// serves is a digest that a service's tasks run, whatever they should.
	serves map[string]string

	// behave says what becomes of the tasks of an image; nil: they are healthy
	// after 30 s.
	behave func(service, digest string) behaviour
	// taskEnds is how a one-off task ends; nil: after 20 s, with code 0.
	taskEnds func(name string, n int) taskEnd
	// watch sees every call before it has its effect; nil: nobody does.
	watch   func(p *process, call string)
	serial  int
	started uint64 // processes
	// consistency draws what old reads show; nil: every read shows the present.
	consistency *rand.Rand
}

// behaviour is what a deployment does.
type behaviour struct {
	after time.Duration
	fails bool
	// noRollback: the circuit breaker stops it, and ECS brings nothing back.
	noRollback bool
	stuck      bool
	// rollbackFails: ECS cannot bring back what ran before.
	rollbackFails bool
	reason        string
	// crashes are how long after the deployment was successful tasks stop by
	// themselves.
	crashes []time.Duration
}

type taskEnd struct {
	after    time.Duration
	code     *int
	reason   string
	capacity bool
	log      []string
}

const (
	accountARN = "arn:aws:ecs:us-west-2:123456789012:"
	testEnv    = "production"
)

// commitOf is the full commit of a release's tag in the world.
func commitOf(tag string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(tag)))[:40]
}

func digestOf(service, commit string) string {
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(service+commit)))
}

func newWorld() *world { return worldOf(configtest.Docs()) }

func worldOf(p config.Platform) *world {
	w := &world{
		platform: p, env: testEnv, latency: 10 * time.Millisecond,
		services: map[string]*fakeService{}, schedules: map[string]*fakeSchedule{}, definitions: map[string]*fakeDefinition{}, deployments: map[string]*fakeDeployment{},
		tasks: map[string]*fakeTask{}, minimums: map[string]int{}, journals: map[string]Journal{}, images: map[string][]string{},
		tags: map[string]string{}, former: map[string][]FormerDeployment{}, unhealthy: map[string]bool{}, targets: map[string]Targets{}, sick: map[string]bool{}, indexed: map[string]bool{}, templates: map[string]string{}, serves: map[string]string{},
		planned: Plan{Fingerprint: "fp-none", Empty: true},
	}
	w.create()
	for _, tag := range []string{"v1.0", "v1.1", "v1.2"} {
		w.release(tag)
	}
	return w
}

// create makes the services, as Terraform does: at zero, with the placeholder.
func (w *world) create() {
	for _, s := range w.platform.Services {
		template := w.define(s.Name, "placeholder")
		w.services[s.Name] = &fakeService{name: s.Name, definition: template, completed: template}
		w.minimums[s.Name] = 0
	}
	for _, t := range w.platform.Tasks {
		w.define(t.Name, "placeholder")
	}
	w.createSchedules()
}

// release builds a release and lets it prove itself.
func (w *world) release(tag string) {
	commit := commitOf(tag)
	w.tags[tag] = commit
	w.history = append(w.history, commit)
	for _, s := range w.platform.Services {
		digest := digestOf(s.Name, commit)
		w.images[s.Name] = append(w.images[s.Name], digest)
		w.former[s.Name] = []FormerDeployment{{
			ARN: "staging-" + s.Name + "-" + tag, Revision: "revision-" + tag, Digest: digest, State: DeploymentSuccessful,
			Created: time.Now().Add(-time.Hour), Finished: time.Now().Add(-50 * time.Minute),
		}}
	}
}
