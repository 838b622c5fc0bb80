package ecs

import (
	"maps"
	"slices"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// listTaskDefinitions lists revisions, sorted by number. The family prefix
// must be a whole family name: AWS has it so for this call, despite the
// parameter's name.
func (r *Runtime) listTaskDefinitions(in *sdk.ListTaskDefinitionsInput) (*sdk.ListTaskDefinitionsOutput, error) {
	status := in.Status
	if status == "" {
		status = types.TaskDefinitionStatusActive
	}
	arns := []string{}
	for _, name := range slices.Sorted(maps.Keys(r.families)) {
		if p := value(in.FamilyPrefix); p != "" && p != name {
			continue
		}
		for _, d := range r.families[name].revisions {
			if d != nil && d.api.Status == status {
				arns = append(arns, d.arn())
			}
		}
	}
	if in.Sort == types.SortOrderDesc {
		slices.Reverse(arns)
	}
	arns, next, err := page(arns, in.MaxResults, 100, 100, in.NextToken)
	return &sdk.ListTaskDefinitionsOutput{TaskDefinitionArns: arns, NextToken: next}, err
}

func (r *Runtime) listTaskDefinitionFamilies(in *sdk.ListTaskDefinitionFamiliesInput) (*sdk.ListTaskDefinitionFamiliesOutput, error) {
	names := []string{}
	for _, name := range slices.Sorted(maps.Keys(r.families)) {
		if !strings.HasPrefix(name, value(in.FamilyPrefix)) {
			continue
		}
		known := slices.ContainsFunc(r.families[name].revisions, func(d *taskDefinition) bool { return d != nil })
		active := slices.ContainsFunc(r.families[name].revisions, func(d *taskDefinition) bool { return d != nil && d.active() })
		switch in.Status {
		case types.TaskDefinitionFamilyStatusActive:
			known = known && active
		case types.TaskDefinitionFamilyStatusInactive:
			known = known && !active
		}
		if known {
			names = append(names, name)
		}
	}
	names, next, err := page(names, in.MaxResults, 100, 100, in.NextToken)
	return &sdk.ListTaskDefinitionFamiliesOutput{Families: names, NextToken: next}, err
}
