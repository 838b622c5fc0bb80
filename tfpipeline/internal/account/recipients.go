package account

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
)

// Unconfirmed names the recipients of an environment's alarms that get no
// message, since they have not followed the link in AWS's mail or have unsubscribed; ""
// if all get them. AWS forgets a recipient who does not confirm within some days.
func (a *Account) Unconfirmed(ctx context.Context, env string) (string, error) {
	topic := "arn:aws:sns:" + a.platform.Region + ":" + a.platform.Account + ":" + a.platform.Prefix(env) + "-alarms"
	pages := sns.NewListSubscriptionsByTopicPaginator(sns.NewFromConfig(a.cfg), &sns.ListSubscriptionsByTopicInput{TopicArn: &topic})
	var pending []string
	confirmed := map[string]bool{}
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "", fmt.Errorf("look at who hears the alarms of %s: %w", env, err)
		}
		for _, s := range page.Subscriptions {
			switch address, arn := aws.ToString(s.Endpoint), aws.ToString(s.SubscriptionArn); {
			case arn == "PendingConfirmation":
				pending = append(pending, address)
			case strings.HasPrefix(arn, "arn:"):
				confirmed[address] = true
			}
		}
	}
	var missing []string
	if e, ok := a.platform.Environment(env); ok {
		for _, address := range e.Alarms.Emails {
			if !confirmed[address] && !slices.Contains(pending, address) {
				missing = append(missing, address)
			}
		}
	}
	var todo []string
	if len(pending) > 0 {
		todo = append(todo, fmt.Sprintf("confirm that %s shall hear the alarms of %s, by the link in the mail from AWS; a wrong address is Alarms.Emails in gen/config/default.go", strings.Join(pending, ", "), env))
	}
	if len(missing) > 0 {
		todo = append(todo, fmt.Sprintf("%s get no alarms of %s: they have unsubscribed, or the link to confirm has expired; tfpipeline apply -env %s has AWS send another", strings.Join(missing, ", "), env, env))
	}
	return strings.Join(todo, "\n"), nil
}
