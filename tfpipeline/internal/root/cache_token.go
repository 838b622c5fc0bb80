package root

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	cachetypes "github.com/aws/aws-sdk-go-v2/service/elasticache/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/specboard/platform/tfpipeline/internal/calls"
	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/state"
)

// The cache's token reaches ElastiCache in the way of AWS's own rotations. Terraform
// stores it in a version of the secret that is labelled AWSPENDING; tasks read the one
// labelled AWSCURRENT. ElastiCache accepts it beside the one before (ROTATE), then it
// becomes AWSCURRENT, and once no task runs that started before, it is the only one
// (SET), and AWSPENDING is removed. So no task ever has a token that the cache refuses.
const (
	pendingLabel = "AWSPENDING"
	currentLabel = "AWSCURRENT"
	// acceptedLabel begins the label of a version that ROTATE has had accepted. Its end
	// is when ElastiCache says that it did, so that a later time there tells of a SET.
	acceptedLabel = "ACCEPTED-"
	// tokenWithin bounds a change of the token in ElastiCache, which takes minutes.
	tokenWithin = 20 * time.Minute
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
	older    bool      // a task runs that started before it was current
}

// next is the step after those that AWS tells of.
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
	cache   *elasticache.Client
	secrets *secretsmanager.Client
	tasks   *ecs.Client
	// secret and group name the secret and the replication group, cluster that of ECS.
	secret, group, cluster string
	// families are those of the services and tasks that use the cache.
	families []string
}

// tokens returns nil if the root has no cache with a token.
func (r *Root) tokens() *tokens {
	p, cfg := r.roots.Platform, r.roots.Cloud.Config
	e, ok := p.Environment(r.Name)
	if !ok || !p.HasCacheToken() || r.roots.Cloud.Target == Offline {
		return nil
	}
	t := &tokens{
		cache: elasticache.NewFromConfig(cfg), secrets: secretsmanager.NewFromConfig(cfg), tasks: ecs.NewFromConfig(cfg),
		secret: p.CacheSecret(e.Name), group: p.CacheGroup(e.Name), cluster: p.Cluster(e.Name),
	}
	for _, s := range p.Services {
		if s.Cache {
			t.families = append(t.families, p.Family(e.Name, s.Name))
		}
	}
	for _, task := range p.Tasks {
		if task.Cache {
			t.families = append(t.families, p.Family(e.Name, task.Name))
		}
	}
	return t
}

// pendingToken reports whether a token is not the only one of the cache yet.
func (r *Root) pendingToken(ctx context.Context) (bool, error) {
	t := r.tokens()
	if t == nil {
		return false, nil
	}
	versions, _, err := t.labels(ctx)
	return len(labelled(versions, pendingLabel)) > 0, err
}

// continueToken is settleToken where Terraform has nothing to apply.
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
		err := r.settleToken(ctx)
		r.refresh(ctx)
		return err
	})
}

// settleToken leads the cache's token as far as running tasks allow. It goes on from
// whatever AWS tells, so a run that was killed leaves nothing to repair. A refresh of
// the state follows, since it moves labels of the secret's versions.
func (r *Root) settleToken(ctx context.Context) error {
	t := r.tokens()
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, 3*tokenWithin, errors.New("the cache's token was not changed in time"))
	defer cancel()
	if err := t.settle(ctx, r.Progress); err != nil {
		return console.WithNext(fmt.Errorf("%s: it is applied, but the cache's token is not settled: %w", r.Name, r.hide(err)), "tfpipeline apply -env %s", r.Name)
	}
	return nil
}

func (t *tokens) settle(ctx context.Context, progress func(string, ...any)) error {
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
		now := cacheToken{stages: versions[version], created: aws.ToTime(value.CreatedDate)}
		if now.modified, err = t.available(ctx); err != nil {
			return err
		}
		if now.older, err = t.older(ctx, changed); err != nil {
			return err
		}
		switch step := now.next(); step {
		case tokenWait:
			progress("the cache accepts its token beside what tasks still have; the first apply after a promotion makes it the only one")
			return nil
		case tokenRotate, tokenSet:
			progress("the cache's token: %s", step)
			if err := t.modify(ctx, aws.ToString(value.SecretString), cachetypes.AuthTokenUpdateStrategyType(step)); err != nil {
				return err
			}
			if step == tokenRotate {
				continue
			}
			if _, err := t.available(ctx); err != nil {
				return err
			}
			return t.label(ctx, versions, pendingLabel, "")
		case tokenPublish:
			if err := t.label(ctx, versions, currentLabel, version); err != nil {
				return err
			}
			if err := t.label(ctx, versions, acceptedAt(now.modified), version); err != nil {
				return err
			}
		default:
			return t.label(ctx, versions, pendingLabel, "")
		}
	}
}

// labels are the labels of the secret's versions, and when the secret last changed.
func (t *tokens) labels(ctx context.Context) (map[string][]string, time.Time, error) {
	out, err := t.secrets.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &t.secret})
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

// available waits until the cache has made its changes, and returns when its token
// last changed.
func (t *tokens) available(ctx context.Context) (time.Time, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, tokenWithin, fmt.Errorf("cache %s was not available within %s", t.group, tokenWithin))
	defer cancel()
	for {
		out, err := t.cache.DescribeReplicationGroups(ctx, &elasticache.DescribeReplicationGroupsInput{ReplicationGroupId: &t.group})
		if err == nil && len(out.ReplicationGroups) != 1 {
			err = errors.New("there is none")
		}
		if err != nil {
			return time.Time{}, fmt.Errorf("describe cache %s: %w", t.group, err)
		}
		g := out.ReplicationGroups[0]
		pending := g.PendingModifiedValues != nil && g.PendingModifiedValues.AuthTokenStatus != ""
		if aws.ToString(g.Status) == "available" && !pending {
			return aws.ToTime(g.AuthTokenLastModifiedDate), nil
		}
		if !calls.Pause(ctx, 5*time.Second) {
			return time.Time{}, context.Cause(ctx)
		}
	}
}

// older reports whether a task that uses the cache may have another token than the
// secret's current one: it started before the secret changed, or has no token at all.
func (t *tokens) older(ctx context.Context, changed time.Time) (bool, error) {
	tokenless := map[string]bool{} // by task definition
	for _, family := range t.families {
		pages := ecs.NewListTasksPaginator(t.tasks, &ecs.ListTasksInput{Cluster: &t.cluster, Family: &family})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return false, fmt.Errorf("list the tasks of %s: %w", family, err)
			}
			if len(page.TaskArns) == 0 {
				continue
			}
			out, err := t.tasks.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &t.cluster, Tasks: page.TaskArns})
			if err != nil {
				return false, fmt.Errorf("describe the tasks of %s: %w", family, err)
			}
			for _, task := range out.Tasks {
				definition := aws.ToString(task.TaskDefinitionArn)
				if _, known := tokenless[definition]; !known {
					d, err := t.tasks.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &definition})
					if err != nil {
						return false, fmt.Errorf("describe task definition %s: %w", definition, err)
					}
					tokenless[definition] = !slices.ContainsFunc(d.TaskDefinition.ContainerDefinitions, func(c ecstypes.ContainerDefinition) bool {
						return slices.ContainsFunc(c.Secrets, func(s ecstypes.Secret) bool { return aws.ToString(s.Name) == "REDIS_URL" })
					})
				}
				if tokenless[definition] || !aws.ToTime(task.CreatedAt).After(changed) {
					return true, nil
				}
			}
		}
	}
	return false, nil
}
