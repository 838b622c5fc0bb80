package config

import (
	"cmp"
	"strconv"
	"strings"
)

// ConnectionsAlarm is the number of database connections at which the alarm rings:
// Alarms.Connections, or four fifths of max_connections.
func (e Environment) ConnectionsAlarm() int {
	most, err := strconv.Atoi(e.Database.Parameters["max_connections"])
	if err != nil {
		most = defaultConnections(e.Database.InstanceClass)
	}
	return cmp.Or(e.Alarms.Connections, max(1, most*4/5))
}

// defaultConnections is RDS's default max_connections on an instance class,
// LEAST(DBInstanceClassMemory / 9531392, 5000). DBInstanceClassMemory is some 250 MiB
// less than the class's nominal memory.
func defaultConnections(class string) int {
	parts := strings.Split(class, ".")
	if len(parts) != 3 || parts[1] == "" {
		return 0
	}
	large := map[byte]int{'r': 16, 'x': 32}[parts[1][0]] // GiB
	if large == 0 {
		large = 8
	}
	eighths := map[string]int{"micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16}[parts[2]]
	if n, err := strconv.Atoi(strings.TrimSuffix(parts[2], "xlarge")); err == nil {
		eighths = 16 * n
	}
	return min((large*eighths*128-250)<<20/9531392, 5000)
}
