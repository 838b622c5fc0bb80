package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/specboard/platform/migrations"
)

// serviceRoles reads from the environment which roles the services log in as:
// DB_ROLES says what each may do, and DB_ROLE_NAME has its user and password. The
// errors never show a password.
func serviceRoles(env map[string]string) ([]migrations.ServiceRole, error) {
	text := env["DB_ROLES"]
	if text == "" {
		return nil, nil
	}
	var grants map[string]string
	if err := json.Unmarshal([]byte(text), &grants); err != nil {
		return nil, fmt.Errorf(`DB_ROLES is %q; it must be as {"reports": "read"}`, text)
	}
	var all []migrations.ServiceRole
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(grants)) {
		variable := "DB_ROLE_" + strings.ToUpper(name)
		s, err := readSecret(variable, env[variable])
		switch {
		case err != nil:
			problems = append(problems, err)
		case env[variable] == "":
			problems = append(problems, fmt.Errorf("%s is not set, which holds the user and the password of the database role %s", variable, name))
		case grants[name] != "read" && grants[name] != "write":
			problems = append(problems, fmt.Errorf(`DB_ROLES grants %q to %s; it must be "read" or "write"`, grants[name], name))
		}
		all = append(all, migrations.ServiceRole{Name: name, Write: grants[name] == "write", Login: s.Username, Password: s.Password})
	}
	return all, errors.Join(problems...)
}

// describeRoles says what the roles may do.
func describeRoles(roles []migrations.ServiceRole) string {
	var parts []string
	for _, r := range roles {
		may := "read"
		if r.Write {
			may = "read and write"
		}
		parts = append(parts, fmt.Sprintf("%s may %s", r.Login, may))
	}
	return strings.Join(parts, ", ")
}
