package root

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	cachetypes "github.com/aws/aws-sdk-go-v2/service/elasticache/types"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	scheduletypes "github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	secretstypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/specboard/platform/tfpipeline/internal/calls"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/state"
)

// The cache's token reaches ElastiCache in the way of AWS's own rotations. Terraform
// stores it in a version of the secret that is labelled AWSPENDING; tasks read the one
// labelled AWSCURRENT. ElastiCache first accepts it beside the previous token (ROTATE).
// Then it becomes AWSCURRENT. Once no task runs that started before that, it becomes
// the only token (SET), and AWSPENDING is removed. Secrets Manager labels the very first
// version AWSCURRENT at once: only task definitions that a promotion registers read it,
// and no promotion goes on before ElastiCache accepts it. So no task ever has a token
// that the cache refuses.
const (
	pendingLabel = "AWSPENDING"
	currentLabel = "AWSCURRENT"
	// acceptedLabel begins the label of a version that ROTATE has had accepted. Its end
	// is when ElastiCache says that it did, so that a later time there tells of a SET.
	acceptedLabel = "ACCEPTED-"
	// tokenWithin bounds a change of the token in ElastiCache, which takes minutes.
	tokenWithin = 20 * time.Minute
	// toldWithin bounds how long a cache that makes no change may take to show that its
	// token has changed.
	toldWithin = 2 * time.Minute
)

// tokenStep is what comes next for the cache's token.
type tokenStep string

const (
	tokenDone    tokenStep = ""
	tokenRotate  tokenStep = "ROTATE"
	tokenPublish tokenStep = "publish"
	tokenSet     tokenStep = "SET"
	tokenWait    tokenStep = "wait" // for tasks that have the token before
	tokenFinish  tokenStep = "finish"
)

// cacheToken is what AWS says of a token.
type cacheToken struct {
	stages   []string  // labels of the pending version; nil: no version is pending
	created  time.Time // when Terraform stored it
	modified time.Time // when ElastiCache last changed its tokens; zero: never
	older    bool      // a running task, or one that may be started, may have another token
}

// next is the step that follows from the state in AWS.
func (t cacheToken) next() tokenStep {
	accepted := slices.IndexFunc(t.stages, func(s string) bool { return strings.HasPrefix(s, acceptedLabel) })
	switch {
	case t.stages == nil:
		return tokenDone
	case accepted < 0 && t.modified.Before(t.created):
		return tokenRotate
	case accepted < 0 || !slices.Contains(t.stages, currentLabel):
		return tokenPublish
	case t.stages[accepted] != acceptedAt(t.modified):
		return tokenFinish
	case t.older:
		return tokenWait
	default:
		return tokenSet
	}
}

// acceptedAt is the label of a version that ElastiCache accepted at a time.
func acceptedAt(t time.Time) string { return acceptedLabel + t.UTC().Format(time.RFC3339Nano) }

// tokens works on the cache's token of one environment.
type tokens struct {
	cloud     aws.Config
	cache     *elasticache.Client
	secrets   *secretsmanager.Client
	tasks     *ecs.Client
	schedules *scheduler.Client
	// secret and group name the secret and the replication group, cluster that of ECS,
	// scheduled the group of schedules.
	secret, group, cluster, scheduled string
	// families are the task definition families of the services and tasks that use the
	// cache.
	families []string
	// services are the services that use the cache, and repeating the tasks with a
	// schedule that use it.
	services, repeating []string
}

// tokens returns nil if the root has no cache with a token.
func (r *Root) tokens() *tokens {
	p, cfg := r.roots.Platform, r.roots.Cloud.Config
	e, ok := p.Environment(r.Name)
	if !ok || !p.HasCacheToken() || r.roots.Cloud.Target == Offline {
		return nil
	}
	t := &tokens{
		cloud: cfg, cache: elasticache.NewFromConfig(cfg), secrets: secretsmanager.NewFromConfig(cfg),
		tasks: ecs.NewFromConfig(cfg), schedules: scheduler.NewFromConfig(cfg),
		secret: p.CacheSecret(e.Name), group: p.CacheGroup(e.Name), cluster: p.Cluster(e.Name), scheduled: p.ScheduleGroup(e.Name),
	}
	for _, s := range p.Services {
		if s.Cache {
			t.services = append(t.services, s.Name)
			t.families = append(t.families, p.Family(e.Name, s.Name))
		}
	}
	for _, task := range p.Tasks {
		if !task.Cache {
			continue
		}
		t.families = append(t.families, p.Family(e.Name, task.Name))
		if _, ok := e.ScheduleOf(task); ok {
			t.repeating = append(t.repeating, task.Name)
		}
	}
	return t
}

// pendingToken reports whether the cache still accepts an older token, or not yet the
// new one.
func (r *Root) pendingToken(ctx context.Context) (bool, error) {
	t := r.tokens()
	if t == nil {
		return false, nil
	}
	versions, _, err := t.labels(ctx)
	return len(labelled(versions, pendingLabel)) > 0, err
}

// continueToken is settleToken for a root in which Terraform has nothing to apply.
func (r *Root) continueToken(ctx context.Context, c Choices) error {
	if c.Operation != Apply {
		return nil
	}
	pending, err := r.pendingToken(ctx)
	if err != nil || !pending {
		return err
	}
	// Only a lock with an id is taken over from a run that was killed.
	return r.locked(ctx, cmp.Or(c.attempt, newAttempt()), c.LockTimeout, func(ctx context.Context, _ state.StateLock) error {
		err := r.settleToken(ctx, c)
		r.refresh(ctx)
		return err
	})
}

// settleToken leads the cache's token as far as running tasks allow. It goes on from
// the state in AWS, so a run that was killed leaves nothing to repair. A refresh of the
// state follows, since it moves labels of the secret's versions.
//
// A promotion goes on if the token has to wait for the cache's maintenance window:
// until then tasks and cache share the token before.
func (r *Root) settleToken(ctx context.Context, c Choices) error {
	t := r.tokens()
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, 3*tokenWithin, errors.New("the cache's token was not changed in time"))
	defer cancel()
	switch err := t.settle(ctx, r.Progress); {
	case c.promotes && mayWait(err):
		r.Progress("%s: its new token waits, and everything keeps the one before: %v", r.Name, err)
	case err != nil:
		return console.WithNext(fmt.Errorf("%s: it is applied, but the cache's token is not settled: %w", r.Name, r.hide(err)), "tfpipeline apply -env %s", r.Name)
	}
	return nil
}

// windowError says that a token has to wait for the cache's maintenance window.
type windowError struct {
	group, waits string
	// first: tasks that start have the token already, since the first version of a
	// secret is the current one at once, and the cache does not know it.
	first bool
}

func (e *windowError) Error() string {
	return fmt.Sprintf("cache %s has changes that wait for its maintenance window (%s), and to change its token makes them at once: apply again after the window, or first have ElastiCache apply them immediately", e.group, e.waits)
}

// mayWait reports whether all is well until then: tasks and cache have the token before.
func mayWait(err error) bool {
	e, ok := errors.AsType[*windowError](err)
	return ok && !e.first
}

func (t *tokens) settle(ctx context.Context, progress func(string, ...any)) error {
	rotated := false
	for {
		versions, changed, err := t.labels(ctx)
		if err != nil {
			return err
		}
		version := labelled(versions, pendingLabel)
		if version == "" {
			return nil
		}
		value, err := t.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &t.secret, VersionId: &version})
		if err != nil {
			return fmt.Errorf("read secret %s: %w", t.secret, err)
		}
		cache, err := t.describe(ctx)
		if err != nil {
			return err
		}
		now := cacheToken{stages: versions[version], created: aws.ToTime(value.CreatedDate), modified: cache.modified}
		if now.older, err = t.older(ctx, changed); err != nil {
			return err
		}
		step := now.next()
		switch {
		case step == tokenWait:
			progress("the cache accepts its token beside what tasks still have; the first apply after a promotion makes it the only one")
			return nil
		case step == tokenFinish:
			return t.label(ctx, versions, pendingLabel, "")
		case cache.busy:
			// The change under way may be the token that a killed run sent.
			if err := t.wait(ctx, func(c cacheState) bool { return !c.busy }); err != nil {
				return err
			}
		case step == tokenPublish:
			if err := t.label(ctx, versions, currentLabel, version); err != nil {
				return err
			}
			if err := t.label(ctx, versions, acceptedAt(now.modified), version); err != nil {
				return err
			}
		case step == tokenRotate && rotated:
			// A second one would have it forget the token that tasks have.
			return fmt.Errorf("cache %s took its token, and does not say that it accepts it", t.group)
		default:
			if waits, err := t.waits(ctx); err != nil {
				return err
			} else if waits != "" && step == tokenSet {
				progress("the cache accepts its token beside the one before until the first apply after its maintenance window: to change the token makes at once what waits for the window, %s", waits)
				return nil
			} else if waits != "" {
				current := labelled(versions, currentLabel)
				return &windowError{t.group, waits, current == "" || current == version}
			}
			progress("the cache's token: %s", step)
			if err := t.modify(ctx, aws.ToString(value.SecretString), cachetypes.AuthTokenUpdateStrategyType(step)); err != nil {
				return err
			}
			sent := time.Now()
			if err := t.wait(ctx, func(c cacheState) bool {
				return !c.busy && (!c.modified.Equal(now.modified) || time.Since(sent) >= toldWithin)
			}); err != nil {
				return err
			}
			if step == tokenSet {
				return t.label(ctx, versions, pendingLabel, "")
			}
			rotated = true
		}
	}
}

// waits names the changes of the cache that wait for its maintenance window; "" is none.
func (t *tokens) waits(ctx context.Context) (string, error) {
	pending, err := pendingOfCache(ctx, t.cloud, t.group)
	if err != nil {
		return "", fmt.Errorf("ask what cache %s waits for: %w", t.group, err)
	}
	return strings.Join(slices.Sorted(maps.Keys(pending)), ", "), nil
}

// labels are the labels of the secret's versions, and when the secret last changed.
// There are none while Terraform has not made the secret: no token waits then.
func (t *tokens) labels(ctx context.Context) (map[string][]string, time.Time, error) {
	out, err := t.secrets.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &t.secret})
	if isType[*secretstypes.ResourceNotFoundException](err) {
		return nil, time.Time{}, nil
	}
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("describe secret %s: %w", t.secret, err)
	}
	return out.VersionIdsToStages, aws.ToTime(out.LastChangedDate), nil
}

// labelled is the version that bears a label, "" if none does.
func labelled(versions map[string][]string, label string) string {
	for id, stages := range versions {
		if slices.Contains(stages, label) {
			return id
		}
	}
	return ""
}

// label moves a label to a version, or removes it if to is "".
func (t *tokens) label(ctx context.Context, versions map[string][]string, label, to string) error {
	in := &secretsmanager.UpdateSecretVersionStageInput{SecretId: &t.secret, VersionStage: &label}
	from := labelled(versions, label)
	if from == to {
		return nil
	}
	if from != "" {
		in.RemoveFromVersionId = &from
	}
	if to != "" {
		in.MoveToVersionId = &to
	}
	if _, err := t.secrets.UpdateSecretVersionStage(ctx, in); err != nil {
		return fmt.Errorf("label a version of secret %s: %w", t.secret, err)
	}
	return nil
}

// modify has ElastiCache take the token that an address of the cache contains.
func (t *tokens) modify(ctx context.Context, address string, strategy cachetypes.AuthTokenUpdateStrategyType) error {
	u, err := url.Parse(address)
	if err != nil || u.User == nil {
		return fmt.Errorf("read secret %s: its value is no address with a token", t.secret) // not the value
	}
	token, _ := u.User.Password()
	if _, err := t.cache.ModifyReplicationGroup(ctx, &elasticache.ModifyReplicationGroupInput{
		ReplicationGroupId: &t.group, AuthToken: &token, AuthTokenUpdateStrategy: strategy, ApplyImmediately: aws.Bool(true),
	}); err != nil {
		return fmt.Errorf("change the token of cache %s (%s): %w", t.group, strategy, err)
	}
	return nil
}

// cacheState is what ElastiCache says of the cache.
type cacheState struct {
	modified time.Time // when its token last changed; zero: never
	busy     bool      // it is making a change
}

func (t *tokens) describe(ctx context.Context) (cacheState, error) {
	out, err := t.cache.DescribeReplicationGroups(ctx, &elasticache.DescribeReplicationGroupsInput{ReplicationGroupId: &t.group})
	if err == nil && len(out.ReplicationGroups) != 1 {
		err = errors.New("there is none")
	}
	if err != nil {
		return cacheState{}, fmt.Errorf("describe cache %s: %w", t.group, err)
	}
	g := out.ReplicationGroups[0]
	changes := g.PendingModifiedValues != nil && g.PendingModifiedValues.AuthTokenStatus != ""
	return cacheState{aws.ToTime(g.AuthTokenLastModifiedDate), changes || aws.ToString(g.Status) != "available"}, nil
}

// wait waits until the cache is in a state.
func (t *tokens) wait(ctx context.Context, until func(cacheState) bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, tokenWithin, fmt.Errorf("cache %s did not change within %s", t.group, tokenWithin))
	defer cancel()
	for {
		cache, err := t.describe(ctx)
		if err != nil || until(cache) {
			return err
		}
		if !calls.Pause(ctx, 5*time.Second) {
			return context.Cause(ctx)
		}
	}
}

// older reports whether a task that uses the cache may have another token than the
// secret's current one: it started before the secret changed, or it has no token at all,
// or a service or a schedule may start one that has none.
func (t *tokens) older(ctx context.Context, changed time.Time) (bool, error) {
	known := map[string]bool{} // whether a task definition lacks the token
	tokenless := func(definition string) (bool, error) {
		if lacks, ok := known[definition]; ok {
			return lacks, nil
		}
		out, err := t.tasks.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &definition})
		if err != nil {
			return false, fmt.Errorf("describe task definition %s: %w", definition, err)
		}
		known[definition] = !slices.ContainsFunc(out.TaskDefinition.ContainerDefinitions, func(c ecstypes.ContainerDefinition) bool {
			return slices.ContainsFunc(c.Secrets, func(s ecstypes.Secret) bool { return aws.ToString(s.Name) == "REDIS_URL" })
		})
		return known[definition], nil
	}
	definitions, err := t.startable(ctx)
	if err != nil {
		return false, err
	}
	running, err := t.running(ctx)
	if err != nil {
		return false, err
	}
	for _, task := range running {
		if !aws.ToTime(task.CreatedAt).After(changed) {
			return true, nil
		}
		definitions = append(definitions, aws.ToString(task.TaskDefinitionArn))
	}
	for _, definition := range definitions {
		if lacks, err := tokenless(definition); err != nil || lacks {
			return lacks, err
		}
	}
	return false, nil
}

// running are the tasks that use the cache and have not stopped, those that are about
// to included.
func (t *tokens) running(ctx context.Context) (tasks []ecstypes.Task, err error) {
	for _, family := range t.families {
		for _, desired := range []ecstypes.DesiredStatus{ecstypes.DesiredStatusRunning, ecstypes.DesiredStatusStopped} {
			pages := ecs.NewListTasksPaginator(t.tasks, &ecs.ListTasksInput{Cluster: &t.cluster, Family: &family, DesiredStatus: desired})
			for pages.HasMorePages() {
				page, err := pages.NextPage(ctx)
				if err != nil {
					return nil, fmt.Errorf("list the tasks of %s: %w", family, err)
				}
				if len(page.TaskArns) == 0 {
					continue
				}
				out, err := t.tasks.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &t.cluster, Tasks: page.TaskArns})
				if err != nil {
					return nil, fmt.Errorf("describe the tasks of %s: %w", family, err)
				}
				for _, task := range out.Tasks {
					if aws.ToString(task.LastStatus) != "STOPPED" {
						tasks = append(tasks, task)
					}
				}
			}
		}
	}
	return tasks, nil
}

// startable are the task definitions from which services and schedules that use the
// cache start tasks.
func (t *tokens) startable(ctx context.Context) (definitions []string, err error) {
	for names := range slices.Chunk(t.services, 10) { // ECS describes no more at once
		out, err := t.tasks.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: &t.cluster, Services: names})
		if err != nil {
			return nil, fmt.Errorf("describe the services of %s: %w", t.cluster, err)
		}
		for _, service := range out.Services {
			for _, deployment := range service.Deployments {
				if deployment.DesiredCount > 0 {
					definitions = append(definitions, aws.ToString(deployment.TaskDefinition))
				}
			}
		}
	}
	for _, name := range t.repeating {
		out, err := t.schedules.GetSchedule(ctx, &scheduler.GetScheduleInput{GroupName: &t.scheduled, Name: &name})
		if isType[*scheduletypes.ResourceNotFoundException](err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the schedule of %s: %w", name, err)
		}
		if out.State == scheduletypes.ScheduleStateEnabled && out.Target != nil && out.Target.EcsParameters != nil {
			definitions = append(definitions, aws.ToString(out.Target.EcsParameters.TaskDefinitionArn))
		}
	}
	return definitions, nil
}
