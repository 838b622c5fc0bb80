package root

import (
	"errors"
	"slices"
	"testing"
)

func TestDenied(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"Error: creating X: quota exceeded", nil},
		{"│ Error: putting Scaling Policy: AccessDeniedException: User: arn:aws:sts::1:assumed-role/r/s is not\n│ authorized to perform: application-autoscaling:PutScalingPolicy on\n│ resource: arn:aws:application-autoscaling:us-west-2:1:scalable-target/0 because no identity-based policy allows it",
			[]string{"application-autoscaling:PutScalingPolicy on arn:aws:application-autoscaling:us-west-2:1:scalable-target/0"}},
		{"not authorized to perform: ec2:CreateVpc\nnot authorized to perform: ec2:CreateVpc\nnot authorized to perform: acm:X on resource: *",
			[]string{"acm:X on *", "ec2:CreateVpc"}},
		{"Error: creating SNS Topic Subscription: operation error SNS: Subscribe, api error AuthorizationError: User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: SNS:Subscribe on resource: arn:aws:sns:us-west-2:1:t because no identity-based policy allows the SNS:Subscribe action",
			[]string{"sns:Subscribe on arn:aws:sns:us-west-2:1:t"}},
		{`api error AccessDenied: User: u is not authorized to perform: s3:PutBucketPolicy on resource: "arn:aws:s3:::b" because no identity-based policy allows the s3:PutBucketPolicy action`,
			[]string{"s3:PutBucketPolicy on arn:aws:s3:::b"}},
	} {
		if got := denied(errors.New(c.text)); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
}
