package ecs

import (
	"slices"
	"strconv"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// Sizes of Fargate tasks: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html
// The rest: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html

// validate refuses what RegisterTaskDefinition refuses.
func validate(in *sdk.RegisterTaskDefinitionInput) error {
	if !familyRule.MatchString(value(in.Family)) {
		return refuse(clientException, "Family %q: up to 255 letters, numbers, underscores and hyphens are allowed.", value(in.Family))
	}
	switch n := len(in.ContainerDefinitions); {
	case n == 0:
		return refuse(clientException, "Container list cannot be empty.")
	case n > 10:
		return refuse(clientException, "Too many containers: a task definition has 10 at most, not %d.", n)
	}
	fargate := slices.Contains(in.RequiresCompatibilities, types.CompatibilityFargate)
	if fargate {
		if err := validateFargate(in); err != nil {
			return err
		}
	}
	names := map[string]bool{}
	essential := false
	for _, c := range in.ContainerDefinitions {
		name := value(c.Name)
		switch {
		case !nameRule.MatchString(name):
			return refuse(clientException, "Container.name contains invalid characters: %q", name)
		case names[name]:
			return refuse(clientException, "Container names must be unique: %s", name)
		case strings.TrimSpace(value(c.Image)) == "":
			return refuse(clientException, "Container.image should not be null or empty.")
		case !fargate && in.Memory == nil && c.Memory == nil && c.MemoryReservation == nil:
			return refuse(clientException, "Invalid setting for container '%s'. At least one of 'memory' or 'memoryReservation' must be specified.", name)
		case len(c.Secrets) > 0 && in.ExecutionRoleArn == nil:
			return refuse(clientException, "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.")
		}
		names[name] = true
		essential = essential || c.Essential == nil || *c.Essential
		if err := validateContainer(in, c, fargate); err != nil {
			return err
		}
	}
	if err := validateTogether(in); err != nil {
		return err
	}
	if !essential {
		return refuse(clientException, "A task definition must have at least one essential container.")
	}
	if document, err := encode(in); err != nil || len(document) > maxTaskDefinition {
		return refuse(clientException, "Actual length: '%d'. Max allowed length is '%d' bytes.", len(document), maxTaskDefinition)
	}
	return validateTags(in.Tags)
}

// validateTogether refuses containers that contradict each other.
func validateTogether(in *sdk.RegisterTaskDefinitionInput) error {
	all := map[string]types.ContainerDefinition{}
	router := false
	for _, c := range in.ContainerDefinitions {
		all[*c.Name] = c
		router = router || c.FirelensConfiguration != nil
	}
	for _, c := range in.ContainerDefinitions {
		if l := c.LogConfiguration; l != nil && l.LogDriver == types.LogDriverAwsfirelens && !router {
			return refuse(clientException, "Container '%s' uses log driver awsfirelens, and no container has a firelensConfiguration.", *c.Name)
		}
		for _, d := range c.DependsOn {
			of, ok := all[value(d.ContainerName)]
			switch essential := of.Essential == nil || *of.Essential; {
			case !ok || *of.Name == *c.Name:
				return refuse(clientException, "Container '%s' depends on container '%s', which is not another container of the task definition.", *c.Name, value(d.ContainerName))
			case d.Condition == types.ContainerConditionHealthy && of.HealthCheck == nil:
				return refuse(clientException, "Container '%s' depends on the health of container '%s', which has no health check.", *c.Name, *of.Name)
			case (d.Condition == types.ContainerConditionComplete || d.Condition == types.ContainerConditionSuccess) && essential:
				return refuse(clientException, "Container '%s' depends on the end of container '%s', which is essential.", *c.Name, *of.Name)
			}
		}
	}
	// Remove containers without open dependencies until none is left; if that stalls,
	// there is a cycle.
	for len(all) > 0 {
		n := len(all)
		for name, c := range all {
			if !slices.ContainsFunc(c.DependsOn, func(d types.ContainerDependency) bool { _, waits := all[*d.ContainerName]; return waits }) {
				delete(all, name)
			}
		}
		if len(all) == n {
			return refuse(clientException, "The dependencies of the containers form a cycle.")
		}
	}
	return nil
}

// maxTaskDefinition is the largest size of a task definition, in bytes.
const maxTaskDefinition = 64 << 10

func validateContainer(in *sdk.RegisterTaskDefinitionInput, c types.ContainerDefinition, fargate bool) error {
	for _, m := range c.MountPoints {
		if !slices.ContainsFunc(in.Volumes, func(v types.Volume) bool { return value(v.Name) == value(m.SourceVolume) }) {
			return refuse(clientException, "Unknown volume '%s'.", value(m.SourceVolume))
		}
	}
	for _, p := range c.PortMappings {
		if in.NetworkMode == types.NetworkModeAwsvpc && p.HostPort != nil && *p.HostPort != value(p.ContainerPort) {
			return refuse(clientException, "When networkMode=awsvpc, the host ports and container ports in port mappings must match.")
		}
	}
	for _, s := range c.Secrets {
		if value(s.Name) == "" || value(s.ValueFrom) == "" {
			return refuse(clientException, "The secret name and value must not be empty.")
		}
		if slices.ContainsFunc(c.Environment, func(e types.KeyValuePair) bool { return value(e.Name) == *s.Name }) {
			return refuse(clientException, "The secret name must be unique and not shared with any new or existing environment variables set on the container, such as '%s'.", *s.Name)
		}
	}
	if t := value(c.StopTimeout); fargate && (t < 0 || t > 120) {
		return refuse(clientException, "stopTimeout must be between 0 and 120 seconds for Fargate tasks.")
	}
	if log := c.LogConfiguration; log != nil {
		drivers := []types.LogDriver{types.LogDriverAwslogs, types.LogDriverSplunk, types.LogDriverAwsfirelens}
		if fargate && !slices.Contains(drivers, log.LogDriver) {
			return refuse(clientException, "Log driver '%s' is not supported for Fargate tasks.", log.LogDriver)
		}
		if fargate && log.LogDriver == types.LogDriverAwslogs && in.ExecutionRoleArn == nil {
			return refuse(clientException, "Fargate requires task definition to have execution role ARN to support log driver awslogs.")
		}
		if log.LogDriver == types.LogDriverAwslogs && (log.Options["awslogs-group"] == "" || log.Options["awslogs-region"] == "") {
			return refuse(clientException, "Log driver awslogs requires options: awslogs-region, awslogs-group")
		}
	}
	return nil
}

func validateFargate(in *sdk.RegisterTaskDefinitionInput) error {
	if in.NetworkMode != types.NetworkModeAwsvpc {
		return refuse(clientException, "Fargate only supports network mode ‘awsvpc’.")
	}
	if in.Cpu == nil || in.Memory == nil {
		return refuse(clientException, "Fargate requires that 'cpu' be defined at the task level.")
	}
	cpu, errCPU := strconv.Atoi(*in.Cpu)
	memory, errMemory := strconv.Atoi(*in.Memory)
	if errCPU != nil || errMemory != nil || !fargateSize(cpu, memory) {
		return refuse(clientException, "No Fargate configuration exists for given values: %s CPU, %s memory. See the Amazon ECS documentation for the valid values.", *in.Cpu, *in.Memory)
	}
	switch {
	case in.IpcMode != "":
		return refuse(clientException, "Fargate does not support 'ipcMode'.")
	case len(in.PlacementConstraints) > 0:
		return refuse(clientException, "Fargate does not support 'placementConstraints'.")
	}
	for _, v := range in.Volumes {
		if v.DockerVolumeConfiguration != nil || value(value(v.Host).SourcePath) != "" {
			return refuse(clientException, "Fargate does not support volume '%s': it has neither Docker's volumes nor a path of the host.", value(v.Name))
		}
	}
	var usedCPU, usedMemory int32
	for _, c := range in.ContainerDefinitions {
		if parameter := unsupported(c); parameter != "" {
			return refuse(clientException, "Fargate does not support '%s' of container '%s'.", parameter, value(c.Name))
		}
		usedCPU += c.Cpu
		usedMemory += max(value(c.Memory), value(c.MemoryReservation))
		if value(c.Memory) > int32(memory) {
			return refuse(clientException, "Invalid setting for container '%s'. 'memory' is higher than the task's.", value(c.Name))
		}
	}
	if usedCPU > int32(cpu) || usedMemory > int32(memory) {
		return refuse(clientException, "The containers of the task definition need more cpu or memory than the task has.")
	}
	return nil
}

// unsupported names a parameter of a container that Fargate does not support; "" if there
// is none:
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html
// Fargate has supported tmpfs since January 2026:
// https://aws.amazon.com/about-aws/whats-new/2026/01/amazon-ecs-tmpfs-mounts-aws-fargate-managed-instances/
func unsupported(c types.ContainerDefinition) string {
	linux := value(c.LinuxParameters)
	switch added := value(linux.Capabilities).Add; {
	case value(c.Privileged):
		return "privileged"
	case slices.ContainsFunc(added, func(capability string) bool { return capability != "SYS_PTRACE" }):
		return "capabilities.add"
	case len(linux.Devices) > 0:
		return "devices"
	case linux.SharedMemorySize != nil:
		return "sharedMemorySize"
	case linux.MaxSwap != nil || linux.Swappiness != nil:
		return "maxSwap and swappiness"
	case value(c.DisableNetworking):
		return "disableNetworking"
	case len(c.DnsServers)+len(c.DnsSearchDomains) > 0:
		return "dnsServers and dnsSearchDomains"
	case len(c.DockerSecurityOptions) > 0:
		return "dockerSecurityOptions"
	case len(c.ExtraHosts) > 0:
		return "extraHosts"
	case len(c.Links) > 0:
		return "links"
	default:
		return ""
	}
}

// fargateSize reports whether Fargate offers a size in CPU units and MiB.
func fargateSize(cpu, memory int) bool {
	between := func(low, high, step int) bool { return memory >= low && memory <= high && memory%step == 0 }
	switch cpu {
	case 256:
		return memory == 512 || memory == 1024 || memory == 2048
	case 512:
		return between(1024, 4096, 1024)
	case 1024:
		return between(2048, 8192, 1024)
	case 2048:
		return between(4096, 16384, 1024)
	case 4096:
		return between(8192, 30720, 1024)
	case 8192:
		return between(16384, 61440, 4096)
	case 16384:
		return between(32768, 122880, 8192)
	}
	return false
}
