package localaws

import (
	"context"
	"net/url"
	"slices"
	"strconv"
)

const elbNamespace = "http://elasticloadbalancing.amazonaws.com/doc/" + elbVersion + "/"

// Target is one target of a target group. State is initial, healthy,
// unhealthy, draining, unused or unavailable; Reason is AWS's code, such as
// Target.FailedHealthChecks, "" for a healthy one; Description is for people.
type Target struct {
	ID                         string // an IP address
	Port                       int
	AvailabilityZone           string
	State, Reason, Description string
}

// targets answers for target health. In moto every registered target is
// healthy for ever, and services of ECS never register any.
type targets struct {
	health func(ctx context.Context, targetGroupARN string) ([]Target, bool)
}

func newTargets(health func(ctx context.Context, targetGroupARN string) ([]Target, bool)) *targets {
	return &targets{health}
}

func (t *targets) operations() map[string]operation {
	if t.health == nil {
		return nil
	}
	return map[string]operation{"elasticloadbalancing.DescribeTargetHealth": t.describe}
}

func (t *targets) describe(c *call, next func(*call) (*reply, error)) (*reply, error) {
	all, ok := t.health(c.request.Context(), c.form.Get("TargetGroupArn"))
	if !ok {
		return next(c)
	}
	if asked := objects(c.form, "Targets"); len(asked) > 0 {
		all = slices.DeleteFunc(slices.Clone(all), func(t Target) bool {
			return !slices.ContainsFunc(asked, func(a url.Values) bool {
				return a.Get("Id") == t.ID && (a.Get("Port") == "" || a.Get("Port") == strconv.Itoa(t.Port))
			})
		})
	}
	list := branch("TargetHealthDescriptions")
	for _, target := range all {
		list.add(branch("member",
			branch("Target",
				leaf("Id", target.ID),
				leaf("Port", target.Port),
				optional("AvailabilityZone", target.AvailabilityZone)),
			leaf("HealthCheckPort", target.Port),
			branch("TargetHealth",
				leaf("State", target.State),
				optional("Reason", target.Reason),
				optional("Description", target.Description))))
	}
	return answerQuery(c, elbNamespace, list), nil
}
