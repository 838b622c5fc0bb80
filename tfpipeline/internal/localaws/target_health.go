package localaws

import (
	"net/url"
	"slices"
	"strconv"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
)

const elbNamespace = "http://elasticloadbalancing.amazonaws.com/doc/" + elbVersion + "/"

// targetHealth describes the health of targets. In moto every registered
// target is healthy, and ECS services register none.
func targetHealth(health func(targetGroupARN string) (all []ecs.TargetHealth, ok bool)) endpoint.Table {
	if health == nil {
		return nil
	}
	return endpoint.Table{
		"elasticloadbalancing.DescribeTargetHealth": func(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
			all, ok := health(c.Form.Get("TargetGroupArn"))
			if !ok {
				return next(c)
			}
			asked := endpoint.Objects(c.Form, "Targets")
			list := endpoint.Branch("TargetHealthDescriptions")
			for _, t := range all {
				if len(asked) > 0 && !slices.ContainsFunc(asked, func(a url.Values) bool { return isTarget(a, t) }) {
					continue
				}
				endpoint.Add(list, endpoint.Branch("member",
					endpoint.Branch("Target",
						endpoint.Leaf("Id", t.ID),
						endpoint.Leaf("Port", t.Port),
						endpoint.Optional("AvailabilityZone", t.AvailabilityZone)),
					endpoint.Leaf("HealthCheckPort", t.Port),
					endpoint.Branch("TargetHealth",
						endpoint.Leaf("State", t.State),
						endpoint.Optional("Reason", t.Reason),
						endpoint.Optional("Description", t.Description))))
			}
			return endpoint.Query(c, elbNamespace, list), nil
		},
	}
}

// isTarget reports whether a request names a target, by address or by address
// and port.
func isTarget(asked url.Values, t ecs.TargetHealth) bool {
	return asked.Get("Id") == t.ID && (asked.Get("Port") == "" || asked.Get("Port") == strconv.Itoa(t.Port))
}
