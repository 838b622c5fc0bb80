package config

// secrets checks the secrets, one of which is the database's.
func (c *checker) secrets() {
	used := firsts(c.Secrets, func(s Secret) string { return s.Name })
	database := ""
	for i, s := range c.Secrets {
		path := element("secrets", i, s.Name, used)
		if c.name(path+".name", s.Name, "session-secret") &&
			c.must(used[s.Name] == i, path+".name", s.Name, "is declared twice", s.Name+"-2") {
			// The ARN of a secret has 512 characters for its name; platform and
			// environment have 49 together.
			c.must(s.Name != CacheSecretName || !c.HasCacheToken(), path+".name", s.Name, "is the secret with the cache's address and token", "cache-key")
			c.must(len(s.Name) <= 255, path+".name", s.Name, "is longer than 255 characters", "session-secret")
		}
		c.secretKind(path, s)
		if s.Kind != DatabaseRole {
			c.variableName(path+".variable", s.Variable)
			c.must(s.Grants == "", path+".grants", s.Grants, "has no effect: the secret is no role of the database", "")
		}
		if s.Kind == DatabaseCredentials {
			c.absent(c.HasDatabase(), true, path+".kind", s.Kind, noDatabase, Generated)
			c.must(database == "", path+".kind", s.Kind, "is that of secret "+show(database)+" already, and there is one database", Generated)
			database = s.Name
		}
	}
	c.must(database != "" || !c.HasDatabase(), "secrets", nil, "none of kind "+show(DatabaseCredentials)+", which holds the database's user and password",
		literal(`{Name: "db-credentials", Kind: DatabaseCredentials, Variable: "DB_PASSWORD", Length: 48}`))
}

// secretKind checks the fields that depend on where the value comes from.
func (c *checker) secretKind(path string, s Secret) {
	c.must(s.Version >= 0 && s.Version <= 1_000_000, path+".version", s.Version, "is not a number of rotations, 0 to 1000000", 2)
	switch s.Kind {
	case Generated:
		c.must(s.Length >= 8 && s.Length <= 4096, path+".length", s.Length, "is not the length of a generated value, 8 to 4096 characters", 64)
		c.must(s.Hint == "", path+".hint", s.Hint, "has no effect: nobody has to provide the value", "")
	case DatabaseRole:
		c.databaseRole(path, s)
		fallthrough
	case DatabaseCredentials:
		c.must(s.Length >= 8 && s.Length <= 128, path+".length", s.Length, "is not the length of a PostgreSQL password on RDS, 8 to 128 characters", 48)
		c.must(s.Hint == "", path+".hint", s.Hint, "has no effect: nobody has to provide the value", "")
	case Provided:
		c.must(s.Length == 0, path+".length", s.Length, "has no effect: a person provides the value", 0)
		c.must(s.Version == 0, path+".version", s.Version, "has no effect: a person provides the value", 0)
		// Secrets Manager describes a secret in 2048 characters.
		c.must(s.Hint != "" && len(s.Hint) <= 1024, path+".hint", s.Hint,
			"does not tell a person, in up to 1024 characters, what to store", "the invitation keys, separated by commas")
		c.must(isPrintable(s.Hint), path+".hint", s.Hint, printableRule, "the invitation keys, separated by commas")
	default:
		c.must(false, path+".kind", s.Kind, "is not a kind of secret: "+show(Generated)+", "+show(Provided)+", "+show(DatabaseCredentials)+" or "+show(DatabaseRole), Generated)
	}
}
