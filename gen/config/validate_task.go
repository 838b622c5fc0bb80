package config

// MigrateTask is the one-off task that a promotion runs before the services
// are updated; every platform with a database has it.
const MigrateTask = "migrate"

// tasks checks the one-off tasks.
func (c *checker) tasks() {
	used := firsts(c.Tasks, func(t Task) string { return t.Name })
	for i, t := range c.Tasks {
		path := element("tasks", i, t.Name, used)
		_, taken := c.Service(t.Name)
		if c.containerName(path+".name", t.Name, "task") &&
			c.must(!taken, path+".name", t.Name, "is the name of a service, and both would have the same log group and task definitions", t.Name+"-once") &&
			c.must(used[t.Name] == i, path+".name", t.Name, "is declared twice", t.Name+"-2") {
			c.partNameFits(path+".name", t.Name)
		}
		if _, ok := c.Service(t.Service); !ok {
			c.must(false, path+".service", t.Service, "is not a service whose image the task could run", mostAlike(t.Service, c.ServiceNames()))
		}
		c.must(len(t.Command) > 0, path+".command", nil, "none, and the image's own command would start the service", literal(`{"migrate", "up"}`))
		c.words(path+".command", t.Command, "migrate")
		c.stores(path, t.Database, t.Cache)
		c.schedule(path+".schedule", t.Name, t.Schedule)
		c.fargatePair(path, t.CPU, t.Memory)
		c.ephemeral(path, t.EphemeralStorageGiB)
		c.permissions(path+".permissions", t.Permissions)
		c.secretReferences(path, t.Database, t.Secrets)
		c.uses(path, nil, t.Sends, t.Buckets)
		c.mailFrom(path+".mailFrom", t.MailFrom)
		c.security(path+".security", t.Security)
		of, command := t.container()
		c.variables(path, of)
		c.definitionFits(path, of, command)
		c.rolesFit(path, of, t.Secrets, t.Sends, t.Permissions)
	}
	migrate, ok := c.Task(MigrateTask)
	if !c.absent(c.HasDatabase(), ok, keyed("tasks", MigrateTask), nil, noDatabase, nil) {
		return
	}
	if c.must(ok, "tasks", nil, "no "+show(MigrateTask)+", which every promotion runs before it updates the services",
		literal(`{Name: "migrate", Service: "api", Command: []string{"migrate", "up"}, CPU: 256, Memory: 512, Database: true}`)) {
		c.must(migrate.Database, keyed("tasks", MigrateTask)+".database", false, "leaves migrations without the database", true)
		if s, ok := c.LoginSecret(migrate.Secrets); ok {
			c.must(s.Kind != DatabaseRole, keyed("tasks", MigrateTask)+".secrets", s.Name, "is a role of the database, and only the owner of the tables changes them", nil)
		}
	}
}
