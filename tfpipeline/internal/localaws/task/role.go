package task

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// A task has two roles, and ECS assumes both for it: the execution role reads
// secrets and writes logs before the containers start, and the task role is
// what the containers call AWS as:
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html

// assume returns credentials of a role. Without Options.Role, or without a
// role, they are empty.
func (l *Launcher) assume(ctx context.Context, t *task, role *string) (aws.Credentials, error) {
	if l.options.Role == nil || role == nil {
		return aws.Credentials{}, nil
	}
	return l.options.Role(ctx, *role, t.id())
}

// variables give a container the credentials of its task's role. On AWS it
// would fetch them from an address in its environment.
func variables(c aws.Credentials) []string {
	if c.AccessKeyID == "" {
		return nil
	}
	return []string{"AWS_ACCESS_KEY_ID=" + c.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + c.SecretAccessKey, "AWS_SESSION_TOKEN=" + c.SessionToken}
}

// provider gives a client the credentials of a role, or its own if there are
// none.
func provider(c aws.Credentials, otherwise aws.CredentialsProvider) aws.CredentialsProvider {
	if c.AccessKeyID == "" {
		return otherwise
	}
	return credentials.StaticCredentialsProvider{Value: c}
}

// CannotAssume is ECS's message about a role that it cannot assume.
func CannotAssume(role string) string {
	return fmt.Sprintf("ECS was unable to assume the role '%s' that was provided for this task. Please verify that the role being passed has the proper trust relationship and permissions and that your IAM user has permissions to pass this role.", role)
}
