package localaws

import (
	"net/url"
	"slices"
	"strconv"

	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
)

const elbNamespace = "http://elasticloadbalancing.amazonaws.com/doc/" + elbVersion + "/"

// targetHealth answers for target health. In moto every registered target is
// healthy for ever, and services of ECS never register any.
func targetHealth(health func(targetGroupARN string) (all []ecs.TargetHealth, ok bool)) map[string]operation {
	if health == nil {
		return nil
	}
	return map[string]operation{
		"elasticloadbalancing.DescribeTargetHealth": func(c *call, next func(*call) (*reply, error)) (*reply, error) {
			all, ok := health(c.form.Get("TargetGroupArn"))
			if !ok {
				return next(c)
			}
			asked := objects(c.form, "Targets")
			list := branch("TargetHealthDescriptions")
			for _, t := range all {
				if len(asked) > 0 && !slices.ContainsFunc(asked, func(a url.Values) bool { return isTarget(a, t) }) {
					continue
				}
				list.add(branch("member",
					branch("Target",
						leaf("Id", t.ID),
						leaf("Port", t.Port),
						optional("AvailabilityZone", t.AvailabilityZone)),
					leaf("HealthCheckPort", t.Port),
					branch("TargetHealth",
						leaf("State", t.State),
						optional("Reason", t.Reason),
						optional("Description", t.Description))))
			}
			return answerQuery(c, elbNamespace, list), nil
		},
	}
}

// isTarget reports whether a request asks for a target, by address or by
// address and port.
func isTarget(asked url.Values, t ecs.TargetHealth) bool {
	return asked.Get("Id") == t.ID && (asked.Get("Port") == "" || asked.Get("Port") == strconv.Itoa(t.Port))
}
