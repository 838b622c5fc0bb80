package ecs

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

// The client is one of the last versions that speak the Query protocol: later ones
// speak CBOR alone, which moto has not.

// Alarms returns the environment's alarms, which begin with its prefix.
func (e *Environment) Alarms(ctx context.Context) ([]types.MetricAlarm, error) {
	pages := cloudwatch.NewDescribeAlarmsPaginator(e.alarms, &cloudwatch.DescribeAlarmsInput{AlarmNamePrefix: aws.String(e.platform.Prefix(e.name) + "-")})
	alarms := []types.MetricAlarm{}
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, failed(ctx, err, "read the alarms")
		}
		alarms = slices.Concat(alarms, page.MetricAlarms)
	}
	return alarms, nil
}
