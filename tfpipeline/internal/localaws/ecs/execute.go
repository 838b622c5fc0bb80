package ecs

import (
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
)

// executeCommand opens a session in a container:
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ExecuteCommand.html
func (r *Runtime) executeCommand(in *sdk.ExecuteCommandInput) (*sdk.ExecuteCommandOutput, error) {
	c, err := r.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	if r.options.Execute == nil {
		return nil, unmodelled("a command in a task that is no process")
	}
	t := r.task(c, value(in.Task))
	switch {
	case !in.Interactive:
		return nil, refuse(invalidParameter, "Interactive is the only mode supported currently.")
	case value(in.Command) == "":
		return nil, refuse(invalidParameter, "Command cannot be empty.")
	case t == nil || !t.running() || !t.wanted():
		return nil, refuse(invalidParameter, "The specified task is not running. Run a new task and try again.")
	case !t.api.EnableExecuteCommand:
		return nil, refuse(invalidParameter, "The execute command failed because execute command was not enabled when the task was run or the execute command agent isn’t running. Wait and try again or run a new task with execute command enabled and try again.")
	}
	name := value(in.Container)
	if name == "" && len(t.def.api.ContainerDefinitions) == 1 {
		name = *t.def.api.ContainerDefinitions[0].Name
	}
	if t.def.container(name) == nil {
		return nil, refuse(invalidParameter, "Unable to find container %q in the task.", name)
	}
	if value(t.def.container(name).ReadonlyRootFilesystem) {
		return nil, refuse("TargetNotConnectedException", "The execute command failed due to an internal error. Try again later: the agent cannot write to the root file system of %s", name)
	}
	log := ""
	if e := value(c.api.Configuration).ExecuteCommandConfiguration; e != nil && e.LogConfiguration != nil {
		log = value(e.LogConfiguration.CloudWatchLogGroupName)
	}
	session, err := r.options.Execute(t.launch, name, *in.Command, log)
	if err != nil {
		return nil, refuse("TargetNotConnectedException", "The execute command failed due to an internal error. Try again later: %v", err)
	}
	return &sdk.ExecuteCommandOutput{
		ClusterArn: c.api.ClusterArn, ContainerArn: t.container(name).ContainerArn, ContainerName: &name, Interactive: true,
		Session: &session, TaskArn: t.api.TaskArn,
	}, nil
}
