package config_test

import (
	"testing"

	"github.com/specboard/platform/gen/config"
)

// Without a number of its own the alarm follows the instance's class. In brackets is what
// SHOW max_connections says there.
func TestConnectionsAlarm(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		class, parameter string
		alarm, want      int
	}{
		{"db.t4g.micro", "", 0, 68},     // 81
		{"db.t4g.small", "", 0, 157},    // 189
		{"db.m7g.large", "", 0, 698},    // 856
		{"db.r6g.2xlarge", "", 0, 4000}, // 5000
		{"db.t4g.micro", "200", 0, 160},
		{"db.t4g.micro", "LEAST({DBInstanceClassMemory/9531392},5000)", 0, 68},
		{"db.t4g.micro", "200", 50, 50},
	} {
		e := config.Environment{Database: config.Database{InstanceClass: tt.class}, Alarms: config.Alarms{Connections: tt.alarm}}
		if tt.parameter != "" {
			e.Database.Parameters = map[string]string{"max_connections": tt.parameter}
		}
		if got := e.ConnectionsAlarm(); got != tt.want {
			t.Errorf("%s, max_connections %q, %d asked for: %d, want %d", tt.class, tt.parameter, tt.alarm, got, tt.want)
		}
	}
}
