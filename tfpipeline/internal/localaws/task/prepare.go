package task

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// prepare finds out what the containers of a task run. Errors are in ECS's
// words. It returns the containers even with an error, and the caller has to
// discard them.
func (l *Launcher) prepare(t *task) (all []*container, err error) {
	execution, err := l.assume(t.stop, t, t.Definition.ExecutionRoleArn)
	if err != nil {
		return nil, err
	}
	own, err := l.assume(t.stop, t, t.Definition.TaskRoleArn)
	if err != nil {
		return nil, err
	}
	for _, d := range t.Definition.ContainerDefinitions {
		c := &container{name: value(d.Name), ended: make(chan struct{})}
		all = append(all, c)
		image, err := l.options.Image(t.stop, value(d.Image), t.Digests[c.name])
		if err != nil {
			return all, fmt.Errorf("CannotPullContainerError: %w", err)
		}
		if c.command, err = image.commandLine(d.EntryPoint, d.Command); err != nil {
			return all, err
		}
		c.folder = image.Folder
		if value(d.WorkingDirectory) != "" {
			c.folder = filepath.Join(image.Folder, *d.WorkingDirectory)
		}
		if c.environ, err = l.environment(t, image, d, execution); err != nil {
			return all, err
		}
		c.environ = append(c.environ, variables(own)...)
		if err := l.openLog(t, c, d, execution, own); err != nil {
			return all, err
		}
		if d.HealthCheck != nil {
			c.check = newCheck(c, t, d.HealthCheck, l.watched)
			if image.standIn {
				c.check.url, c.check.command = "", []string{"true"}
			}
		}
	}
	return all, nil
}

// environment is the environment of a container: Environ, the image's
// variables, the definition's, the secrets, and where to listen. Of equal
// names the last one counts.
func (l *Launcher) environment(t *task, image Image, d types.ContainerDefinition, execution aws.Credentials) ([]string, error) {
	path := "/usr/local/bin:/usr/bin:/bin"
	if image.Folder != "" {
		path = filepath.Join(image.Folder, "bin") + ":" + image.Folder + ":" + path
	}
	env := []string{"PATH=" + path, "HOME=/", "HOSTNAME=" + t.address}
	if t.connection.outbound != "" {
		// Programs differ in which name they read; Node reads neither without
		// the third.
		env = append(env, "HTTP_PROXY="+t.connection.outbound, "http_proxy="+t.connection.outbound, "NODE_USE_ENV_PROXY=1",
			"NO_PROXY=localhost,127.0.0.0/8", "no_proxy=localhost,127.0.0.0/8")
	}
	env = append(env, l.options.Environ...)
	env = append(env, image.Environ...)
	for _, e := range d.Environment {
		env = append(env, value(e.Name)+"="+t.own(value(e.Name), value(e.Value)))
	}
	for _, s := range d.Secrets {
		secret, err := l.secret(t.stop, execution, value(s.ValueFrom))
		if err != nil {
			return nil, err
		}
		env = append(env, value(s.Name)+"="+secret)
	}
	for port, own := range t.ports {
		env = append(env, fmt.Sprintf("LOCAL_PORT_%d=%d", port, own))
	}
	return append(env, "HOST="+t.address), nil
}

// own returns the value of an environment variable, in which PORT is replaced
// by the port that the task really has.
func (t *task) own(name, text string) string {
	if name != "PORT" {
		return text
	}
	port, err := strconv.ParseInt(text, 10, 32)
	if own, ok := t.ports[int32(port)]; ok && err == nil {
		return strconv.Itoa(own)
	}
	return text
}

func (l *Launcher) secret(ctx context.Context, as aws.Credentials, valueFrom string) (string, error) {
	const failed = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried 1 time(s): %w"
	if l.options.Secret == nil {
		return "", fmt.Errorf(failed, fmt.Errorf("no secrets are modelled here"))
	}
	secret, err := l.options.Secret(ctx, as, valueFrom)
	if err != nil {
		return "", fmt.Errorf(failed, err)
	}
	return secret, nil
}

// Stream is the log stream of a container.
type Stream struct {
	Group, Region, Name string
	// Create creates the group if it does not exist.
	Create bool
}

// openLog opens the log that the definition names, if it names one. Of what a log
// router sends elsewhere only CloudWatch is modelled, where Fluent Bit writes with the
// task's own role.
func (l *Launcher) openLog(t *task, c *container, d types.ContainerDefinition, execution, own aws.Credentials) error {
	c.output = func(line string) { l.options.Output(t.id(), c.name, line) }
	if d.LogConfiguration == nil {
		return nil
	}
	routed := d.LogConfiguration.LogDriver == types.LogDriverAwsfirelens
	if routed && d.LogConfiguration.Options["Name"] != "cloudwatch_logs" {
		return nil
	}
	if !routed && d.LogConfiguration.LogDriver != types.LogDriverAwslogs || l.options.Log == nil {
		return fmt.Errorf("CannotStartContainerError: log driver %s is not modelled locally", d.LogConfiguration.LogDriver)
	}
	o := d.LogConfiguration.Options
	s := Stream{Group: o["awslogs-group"], Region: o["awslogs-region"], Name: c.name + "/" + t.id(), Create: o["awslogs-create-group"] == "true"}
	if prefix := o["awslogs-stream-prefix"]; prefix != "" {
		s.Name = prefix + "/" + s.Name
	}
	if routed {
		s = Stream{Group: o["log_group_name"], Region: o["region"], Name: o["log_stream_prefix"] + c.name + "-firelens-" + t.id()}
		execution = own
	}
	log, err := l.options.Log(t.stop, execution, s)
	if err != nil {
		return fmt.Errorf("ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: %w", err)
	}
	c.log = log
	return nil
}

// inside reports whether a host name means the container itself.
func inside(host string) bool {
	return host == "localhost" || host == "0.0.0.0" || strings.HasPrefix(host, "127.") || host == "::1"
}

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
