package ecs_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/localaws/ecs"
)

func TestTaskDefinitionsAreValidated(t *testing.T) {
	type input = sdk.RegisterTaskDefinitionInput
	container := func(change func(*types.ContainerDefinition)) func(*input) {
		return func(in *input) { change(&in.ContainerDefinitions[0]) }
	}
	linux := func(l types.LinuxParameters) func(*input) {
		return container(func(c *types.ContainerDefinition) { c.LinuxParameters = &l })
	}
	sidecars := func(n int, waits ...types.ContainerDependency) func(*input) {
		return func(in *input) {
			in.ContainerDefinitions[0].DependsOn = waits
			for i := range n {
				in.ContainerDefinitions = append(in.ContainerDefinitions, types.ContainerDefinition{Name: new(fmt.Sprintf("s%d", i)), Image: new("sidecar:1")})
			}
		}
	}
	for _, c := range []struct {
		change func(*input)
		want   string // part of the message
	}{
		{func(in *input) { in.Family = new("a b") }, "Family"},
		{func(in *input) { in.ContainerDefinitions = []types.ContainerDefinition{} }, "Container list"},
		{func(in *input) { in.Memory = new("513") }, "No Fargate configuration exists for given values: 256 CPU, 513 memory"},
		{func(in *input) { in.Cpu = new("300") }, "No Fargate configuration"},
		{func(in *input) { in.Cpu = nil }, "cpu"},
		{func(in *input) { in.NetworkMode = types.NetworkModeBridge }, "awsvpc"},
		{container(func(c *types.ContainerDefinition) { c.Image = nil }), "image"},
		{container(func(c *types.ContainerDefinition) { c.Name = new("a/b") }), "name"},
		{container(func(c *types.ContainerDefinition) { c.Essential = new(false) }), "essential"},
		{container(func(c *types.ContainerDefinition) { c.Memory = new(int32(1024)) }), "memory"},
		{container(func(c *types.ContainerDefinition) { c.Cpu = 512 }), "cpu"},
		{container(func(c *types.ContainerDefinition) { c.StopTimeout = new(int32(121)) }), "stopTimeout"},
		{container(func(c *types.ContainerDefinition) { c.PortMappings[0].HostPort = new(int32(80)) }), "must match"},
		{container(func(c *types.ContainerDefinition) {
			c.Secrets = []types.Secret{{Name: new("A"), ValueFrom: new("arn")}}
			c.Environment = []types.KeyValuePair{{Name: new("A"), Value: new("b")}}
		}), "secret name must be unique"},
		{func(in *input) {
			in.ExecutionRoleArn = nil
			in.ContainerDefinitions[0].Secrets = []types.Secret{{Name: new("A"), ValueFrom: new("arn")}}
		}, "executionRoleArn"},
		{container(func(c *types.ContainerDefinition) {
			c.LogConfiguration = &types.LogConfiguration{LogDriver: types.LogDriverAwslogs}
		}), "awslogs-group"},
		{container(func(c *types.ContainerDefinition) {
			c.LogConfiguration = &types.LogConfiguration{LogDriver: types.LogDriverSyslog}
		}), "not supported"},
		{func(in *input) { in.ContainerDefinitions = append(in.ContainerDefinitions, in.ContainerDefinitions[0]) }, "unique"},
		{func(in *input) { in.Tags = []types.Tag{{Key: new("aws:x")}} }, "reserved"},
		{sidecars(10), "10 at most"},
		{sidecars(1, types.ContainerDependency{ContainerName: new("s9"), Condition: types.ContainerConditionStart}), "not another container"},
		{sidecars(1, types.ContainerDependency{ContainerName: new("s0"), Condition: types.ContainerConditionHealthy}), "no health check"},
		{sidecars(1, types.ContainerDependency{ContainerName: new("s0"), Condition: types.ContainerConditionSuccess}), "essential"},
		{func(in *input) {
			sidecars(1, types.ContainerDependency{ContainerName: new("s0"), Condition: types.ContainerConditionStart})(in)
			in.ContainerDefinitions[1].DependsOn = []types.ContainerDependency{{ContainerName: new("api"), Condition: types.ContainerConditionStart}}
		}, "cycle"},
		{func(in *input) {
			in.Volumes = []types.Volume{{Name: new("x"), Host: &types.HostVolumeProperties{SourcePath: new("/var")}}}
		}, "path of the host"},
		{func(in *input) { in.IpcMode = types.IpcModeHost }, "'ipcMode'"},
		{container(func(c *types.ContainerDefinition) {
			c.MountPoints = []types.MountPoint{{SourceVolume: new("x"), ContainerPath: new("/x")}}
		}), "Unknown volume 'x'"},
		{container(func(c *types.ContainerDefinition) { c.Privileged = new(true) }), "'privileged'"},
		{linux(types.LinuxParameters{Capabilities: &types.KernelCapabilities{Add: []string{"SYS_PTRACE", "NET_ADMIN"}}}), "'capabilities.add'"},
		{linux(types.LinuxParameters{SharedMemorySize: new(int32(64))}), "'sharedMemorySize'"},
		{linux(types.LinuxParameters{Devices: []types.Device{{HostPath: new("/dev/fuse")}}}), "'devices'"},
		{container(func(c *types.ContainerDefinition) {
			c.LogConfiguration = &types.LogConfiguration{LogDriver: types.LogDriverAwsfirelens}
		}), "firelensConfiguration"},
	} {
		inWorld(t, func(w *world) {
			w.register("api", "one") // without the change it is accepted
			in := &input{
				Family: new("api"), Cpu: new("256"), Memory: new("512"), NetworkMode: types.NetworkModeAwsvpc,
				RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate}, ExecutionRoleArn: new("arn:role"),
				ContainerDefinitions: []types.ContainerDefinition{{Name: new("api"), Image: new("image"), PortMappings: []types.PortMapping{{ContainerPort: new(int32(1))}}}},
			}
			c.change(in)
			_, err := w.client.RegisterTaskDefinition(w.ctx, in)
			if code := w.code(err); err == nil || code != "ClientException" && code != "InvalidParameterException" || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want %q, got %v", c.want, err)
			}
		})
	}
}

// What Fargate takes of a container's security comes back as it was given.
func TestSecurityOfAContainer(t *testing.T) {
	inWorld(t, func(w *world) {
		arn := w.register("api", "one", func(in *sdk.RegisterTaskDefinitionInput) {
			in.Volumes = []types.Volume{{Name: new("tmp")}}
			c := &in.ContainerDefinitions[0]
			c.User, c.ReadonlyRootFilesystem = new("1000:1000"), new(true)
			c.MountPoints = []types.MountPoint{{SourceVolume: new("tmp"), ContainerPath: new("/tmp"), ReadOnly: new(false)}}
			c.LinuxParameters = &types.LinuxParameters{
				InitProcessEnabled: new(true), Tmpfs: []types.Tmpfs{{ContainerPath: new("/run"), Size: 16}},
				Capabilities: &types.KernelCapabilities{Add: []string{"SYS_PTRACE"}, Drop: []string{"ALL"}},
			}
		})
		d := must(w.client.DescribeTaskDefinition(w.ctx, &sdk.DescribeTaskDefinitionInput{TaskDefinition: &arn}))(t).TaskDefinition
		c := d.ContainerDefinitions[0]
		if len(d.Volumes) != 1 || *c.User != "1000:1000" || !*c.ReadonlyRootFilesystem || len(c.MountPoints) != 1 || *c.MountPoints[0].ReadOnly ||
			!*c.LinuxParameters.InitProcessEnabled || len(c.LinuxParameters.Tmpfs) != 1 || c.LinuxParameters.Capabilities.Drop[0] != "ALL" {
			t.Errorf("registered: %+v", c)
		}
	})
}

func TestTaskDefinitionStates(t *testing.T) {
	inWorld(t, func(w *world) {
		tagged := func(in *sdk.RegisterTaskDefinitionInput) {
			in.Tags = []types.Tag{{Key: new("release"), Value: new("v1")}}
		}
		one, two := w.register("api", "one", tagged), w.register("api", "two")
		describe := func(reference string, include ...types.TaskDefinitionField) (*sdk.DescribeTaskDefinitionOutput, error) {
			return w.client.DescribeTaskDefinition(w.ctx, &sdk.DescribeTaskDefinitionInput{TaskDefinition: &reference, Include: include})
		}
		out := must(describe("api:1", types.TaskDefinitionFieldTags))(t)
		if *out.TaskDefinition.TaskDefinitionArn != one || len(out.Tags) != 1 || out.TaskDefinition.Status != types.TaskDefinitionStatusActive {
			t.Errorf("api:1 is %s %s with %d tags", *out.TaskDefinition.TaskDefinitionArn, out.TaskDefinition.Status, len(out.Tags))
		}
		if out := must(describe("api:1"))(t); len(out.Tags) != 0 {
			t.Error("tags came without being asked for")
		}
		if out := must(describe("api"))(t); *out.TaskDefinition.TaskDefinitionArn != two {
			t.Errorf("api is %s", *out.TaskDefinition.TaskDefinitionArn)
		}

		must(w.client.DeregisterTaskDefinition(w.ctx, &sdk.DeregisterTaskDefinitionInput{TaskDefinition: &two}))(t)
		if out := must(describe("api"))(t); *out.TaskDefinition.TaskDefinitionArn != one {
			t.Error("the family stands for a revision that is not ACTIVE")
		}
		if out := must(describe(two))(t); out.TaskDefinition.Status != types.TaskDefinitionStatusInactive || out.TaskDefinition.DeregisteredAt == nil {
			t.Errorf("api:2 is %s", out.TaskDefinition.Status)
		}
		// An INACTIVE revision starts nothing.
		w.create("api", one, 0)
		_, err := w.client.UpdateService(w.ctx, &sdk.UpdateServiceInput{Cluster: new("main"), Service: new("api"), TaskDefinition: &two})
		if w.code(err) != "ClientException" || !strings.Contains(err.Error(), "TaskDefinition is inactive") {
			t.Errorf("update to an INACTIVE revision: %v", err)
		}
		_, err = w.client.RunTask(w.ctx, &sdk.RunTaskInput{Cluster: new("main"), TaskDefinition: &two, NetworkConfiguration: network})
		if w.code(err) != "ClientException" {
			t.Errorf("run of an INACTIVE revision: %v", err)
		}

		deleted := must(w.client.DeleteTaskDefinitions(w.ctx, &sdk.DeleteTaskDefinitionsInput{TaskDefinitions: []string{one, two, "api:9"}}))(t)
		if len(deleted.TaskDefinitions) != 1 || len(deleted.Failures) != 2 {
			t.Errorf("deleted %d, failures %+v", len(deleted.TaskDefinitions), deleted.Failures)
		}
		if out := must(describe(two))(t); out.TaskDefinition.Status != types.TaskDefinitionStatusDeleteInProgress {
			t.Errorf("api:2 is %s", out.TaskDefinition.Status)
		}
		w.sleep(2 * time.Hour)
		if _, err := describe(two); w.code(err) != "ClientException" {
			t.Errorf("describe of a deleted revision: %v", err)
		}
		// Its number is never used again.
		if three := w.register("api", "three"); !strings.HasSuffix(three, "api:3") {
			t.Errorf("next revision is %s", three)
		}
	})
}

func TestListTaskDefinitions(t *testing.T) {
	inWorld(t, func(w *world) {
		var want []string
		for i := range 12 {
			want = append(want, w.register("api", fmt.Sprint(i)))
		}
		w.register("api-next", "x")
		list := func(sort types.SortOrder, status types.TaskDefinitionStatus) (all []string) {
			pages := sdk.NewListTaskDefinitionsPaginator(w.client, &sdk.ListTaskDefinitionsInput{
				FamilyPrefix: new("api"), Sort: sort, Status: status, MaxResults: new(int32(5))})
			for pages.HasMorePages() {
				all = append(all, must(pages.NextPage(w.ctx))(t).TaskDefinitionArns...)
			}
			return all
		}
		same(t, "ascending", list("", ""), want...)
		must(w.client.DeregisterTaskDefinition(w.ctx, &sdk.DeregisterTaskDefinitionInput{TaskDefinition: &want[3]}))(t)
		same(t, "INACTIVE", list("", types.TaskDefinitionStatusInactive), want[3])
		want = slices.Delete(want, 3, 4)
		slices.Reverse(want)
		same(t, "descending", list(types.SortOrderDesc, ""), want...)
		families := must(w.client.ListTaskDefinitionFamilies(w.ctx, &sdk.ListTaskDefinitionFamiliesInput{FamilyPrefix: new("ap")}))(t)
		same(t, "families", families.Families, "api", "api-next")
	})
}

// What was described can be registered again, and is then the same.
func TestCloneOfTaskDefinition(t *testing.T) {
	inWorld(t, func(w *world) {
		arn := w.register("api", "one", func(in *sdk.RegisterTaskDefinitionInput) {
			c := &in.ContainerDefinitions[0]
			c.Secrets = []types.Secret{{Name: new("PASSWORD"), ValueFrom: new("arn:secret")}}
			c.LogConfiguration = &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{"awslogs-group": "/g", "awslogs-region": "us-west-2"}}
			c.LinuxParameters = &types.LinuxParameters{InitProcessEnabled: new(true)}
			in.Volumes = []types.Volume{{Name: new("tmp")}}
			in.RuntimePlatform = &types.RuntimePlatform{CpuArchitecture: types.CPUArchitectureX8664}
		})
		old := must(w.client.DescribeTaskDefinition(w.ctx, &sdk.DescribeTaskDefinitionInput{TaskDefinition: &arn}))(t).TaskDefinition
		clone := must(w.client.RegisterTaskDefinition(w.ctx, &sdk.RegisterTaskDefinitionInput{
			Family: old.Family, ContainerDefinitions: old.ContainerDefinitions, Cpu: old.Cpu, Memory: old.Memory,
			NetworkMode: old.NetworkMode, RequiresCompatibilities: old.RequiresCompatibilities,
			ExecutionRoleArn: old.ExecutionRoleArn, Volumes: old.Volumes, RuntimePlatform: old.RuntimePlatform,
		}))(t).TaskDefinition
		clone.TaskDefinitionArn, clone.Revision, clone.RegisteredAt = old.TaskDefinitionArn, old.Revision, old.RegisteredAt
		if diff := cmp.Diff(old, clone, ecs.Everything); diff != "" {
			t.Errorf("(- original, + clone):\n%s", diff)
		}
		if p := old.ContainerDefinitions[0].PortMappings[0]; *p.HostPort != 3001 || p.Protocol != types.TransportProtocolTcp {
			t.Errorf("port mapping: %+v", p)
		}
	})
}
