package config

import (
	"slices"
	"strconv"
)

// fargateMemory is what Fargate pairs with a number of CPU units: memory from
// least to most, in steps, all in MiB.
type fargateMemory struct{ cpu, least, most, step int }

func fargateSizes() []fargateMemory {
	return []fargateMemory{
		{256, 512, 2048, 512}, // and not 1536, see pairs
		{512, 1024, 4096, 1024},
		{1024, 2048, 8192, 1024},
		{2048, 4096, 16384, 1024},
		{4096, 8192, 30720, 1024},
		{8192, 16384, 61440, 4096},
		{16384, 32768, 122880, 8192},
	}
}

func (f fargateMemory) pairs(memory int) bool {
	return memory >= f.least && memory <= f.most && memory%f.step == 0 && (f.cpu != 256 || memory != 1536)
}

// nearest returns the next larger allowed memory, or else the largest.
func (f fargateMemory) nearest(memory int) int {
	for m := f.least; m < f.most; m += f.step {
		if m >= memory && f.pairs(m) {
			return m
		}
	}
	return f.most
}

func (f fargateMemory) String() string {
	if f.cpu == 256 {
		return "512, 1024 or 2048"
	}
	return strconv.Itoa(f.least) + " to " + strconv.Itoa(f.most) + " in steps of " + strconv.Itoa(f.step)
}

// fargatePair checks the cpu and memory of a task.
func (c *values) fargatePair(path string, cpu, memory int) {
	sizes := fargateSizes()
	i := slices.IndexFunc(sizes, func(f fargateMemory) bool { return f.cpu == cpu })
	if !c.must(i >= 0, path+".cpu", cpu, "is not a size of Fargate: 256, 512, 1024, 2048, 4096, 8192 or 16384 CPU units", 256) {
		return
	}
	f := sizes[i]
	c.must(f.pairs(memory), path+".memory", memory, "MiB is not what Fargate pairs with "+strconv.Itoa(cpu)+" CPU units: "+f.String(), f.nearest(memory))
}

// mostTasks is how many targets a load balancer takes by default.
const mostTasks = 1000

// size checks how large a service's tasks are and how many run.
func (c *checker) size(path string, s Size, protected bool) {
	c.fargatePair(path, s.CPU, s.Memory)
	c.ephemeral(path, s.EphemeralStorageGiB)
	switch {
	case s.MinTasks < 1 || s.MinTasks > mostTasks:
		c.must(false, path+".minTasks", s.MinTasks, "is not a number of tasks, 1 to 1000", 2)
	case protected && s.MinTasks < 2:
		c.promise(path+".minTasks", s.MinTasks, "two tasks of every service", 2)
	}
	if protected && s.Spot {
		c.promise(path+".spot", true, "tasks that AWS does not take away", false)
	}
	if !c.must(s.MaxTasks >= s.MinTasks && s.MaxTasks <= mostTasks, path+".maxTasks", s.MaxTasks,
		"is not a number of tasks from minTasks ("+strconv.Itoa(s.MinTasks)+") to 1000", min(max(s.MinTasks, 2), mostTasks)) {
		return
	}
	for _, target := range []struct {
		field          string
		n, least, most int
		rule           string
		example        int
	}{
		{".targetCPUPercent", s.TargetCPUPercent, 10, 90, "is not a percentage that autoscaling can aim at, 10 to 90", 60},
		{".targetMemoryPercent", s.TargetMemoryPercent, 10, 90, "is not a percentage that autoscaling can aim at, 10 to 90", 70},
		{".targetBacklog", s.TargetBacklog, 1, 1_000_000, "is not a number of messages for each task that autoscaling can aim at, 1 to 1000000", 100},
		{".targetRequests", s.TargetRequests, 1, 1_000_000, "is not a number of requests a minute and task that autoscaling can aim at, 1 to 1000000", 1000},
	} {
		if !s.Autoscaled() {
			c.must(target.n == 0, path+target.field, target.n, "has no effect: the service does not scale while maxTasks is minTasks", 0)
			continue
		}
		only := target.field == ".targetCPUPercent" && s.TargetMemoryPercent+s.TargetRequests+s.TargetBacklog == 0
		c.must(target.n == 0 && !only || target.n >= target.least && target.n <= target.most, path+target.field, target.n, target.rule, target.example)
	}
	c.minimums(path+".minimums", s)
}

// sizePath leads to the size of a service in an environment.
func sizePath(path string, e Environment, service string) string {
	if _, ok := e.Sizes[service]; ok {
		return keyed(path+".sizes", service)
	}
	return path + ".size"
}

// requests checks that a load balancer counts the requests that a service scales by.
func (c *checker) requests(path string, e Environment) {
	for _, s := range c.Services {
		at := sizePath(path, e, s.Name)
		backlog := e.SizeOf(s.Name).TargetBacklog
		c.must(backlog == 0 || len(s.Receives) > 0, at+".targetBacklog", backlog, "has no effect on service "+show(s.Name)+", which receives from no queue: give it a size of its own in sizes", nil)
		c.must(backlog == 0 || len(s.Receives) <= mostBacklogs, at+".targetBacklog", backlog, "would add up the "+plural(len(s.Receives), "queue")+" of service "+show(s.Name)+", where autoscaling adds up 8", nil)
		n := e.SizeOf(s.Name).TargetRequests
		c.must(n == 0 || s.Public(), at+".targetRequests", n, "has no effect on service "+show(s.Name)+", to which no load balancer sends requests: give it a size of its own in sizes", nil)
	}
}

// ephemeral checks the disk of a task.
func (c *values) ephemeral(path string, gib int) {
	c.must(gib == 0 || gib >= 21 && gib <= 200, path+".ephemeralStorageGiB", gib, "is not a disk that Fargate gives a task, 21 to 200 GiB, or 0 for the 20 that it includes", 50)
}

// promise records that a protected environment breaks a promise which
// protection makes.
func (c *values) promise(path string, value any, promised string, example any) {
	c.must(false, path, value, "breaks a promise of protected environments: "+promised, example)
}
