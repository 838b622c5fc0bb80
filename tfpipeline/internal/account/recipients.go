package account

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
)

// Unconfirmed names the recipients of an environment's alarms that get no
// message yet, since they have not followed the link in AWS's mail; "" if all
// have.
func (a *Account) Unconfirmed(ctx context.Context, env string) (string, error) {
	topic := "arn:aws:sns:" + a.platform.Region + ":" + a.platform.Account + ":" + a.platform.Prefix(env) + "-alarms"
	pages := sns.NewListSubscriptionsByTopicPaginator(sns.NewFromConfig(a.cfg), &sns.ListSubscriptionsByTopicInput{TopicArn: &topic})
	var pending []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "", fmt.Errorf("look at who hears the alarms of %s: %w", env, err)
		}
		for _, s := range page.Subscriptions {
			if aws.ToString(s.SubscriptionArn) == "PendingConfirmation" {
				pending = append(pending, aws.ToString(s.Endpoint))
			}
		}
	}
	if len(pending) == 0 {
		return "", nil
	}
	return fmt.Sprintf("confirm that %s shall hear the alarms of %s, by the link in the mail from AWS; a wrong address is Alarms.Emails in gen/config/default.go", strings.Join(pending, ", "), env), nil
}
