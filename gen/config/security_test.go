package config_test

import (
	"slices"
	"testing"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

func TestInvalidSecurity(t *testing.T) {
	t.Parallel()
	type P = config.Platform
	checkInvalid(t, []invalid{
		{"of a service", func(p *P) {
			p.Services[0].Security = config.Security{User: "No Body", Writable: []string{"/tmp"}}
		}, `
services["api"].security.user: "No Body" is neither a user nor a user and a group, each by name or by number up to 2147483647; for example "1000:1000"
services["api"].security.writable[0]: "/tmp" has no effect: without readOnlyRoot every folder is writable; for example ReadOnlyRoot: true
`},
		{"a number too high", func(p *P) { p.Services[0].Security.User, p.Tasks[0].Security.User = "2147483648", "0:9999999999" }, `
services["api"].security.user: "2147483648" is neither a user nor a user and a group, each by name or by number up to 2147483647; for example "1000:1000"
tasks["migrate"].security.user: "0:9999999999" is neither a user nor a user and a group, each by name or by number up to 2147483647; for example "1000:1000"
`},
		{"of a task", func(p *P) {
			p.Tasks[0].Security = config.Security{ReadOnlyRoot: true, Writable: []string{"tmp", "/", "/var/", "/proc", "/tmp", "/tmp", "/dev/shm", "/sys/fs/cgroup"}}
		}, `
tasks["migrate"].security.writable[0]: "tmp" is not the absolute path of a folder below the root; for example "/tmp"
tasks["migrate"].security.writable[1]: "/" is not the absolute path of a folder below the root; for example "/tmp"
tasks["migrate"].security.writable[2]: "/var/" is not the absolute path of a folder below the root; for example "/tmp"
tasks["migrate"].security.writable[3]: "/proc" is in a file system of the kernel's: /dev, /proc or /sys; for example "/tmp"
tasks["migrate"].security.writable[5]: "/tmp" is listed twice
tasks["migrate"].security.writable[6]: "/dev/shm" is in a file system of the kernel's: /dev, /proc or /sys; for example "/tmp"
tasks["migrate"].security.writable[7]: "/sys/fs/cgroup" is in a file system of the kernel's: /dev, /proc or /sys; for example "/tmp"
`},
		{"where people may enter", func(p *P) {
			p.Services[0].Security.ReadOnlyRoot, p.Services[2].Security.OwnInit = true, true
			p.Tasks[0].Security.ReadOnlyRoot, p.Tasks[0].Security.OwnInit = true, true
		}, `
environments["staging"].exec: true opens no session in service "api", whose root is read-only: ECS Exec writes there; for example false
environments["staging"].exec: true leaves processes of sessions behind in service "mcp", which has no init process of ECS's (ownInit); for example false
`},
	})
}

func TestValidSecurity(t *testing.T) {
	t.Parallel()
	p := configtest.Docs()
	p.Environments[0].Exec = false
	for _, user := range []string{"", "0", "nginx", "1000", "1000:1000", "nginx:101", "_apt:nogroup", "appUser", "app.user:App.Group", "2147483647:2147483647"} {
		p.Services[0].Security = config.Security{User: user, NoCapabilities: true, ReadOnlyRoot: true, Writable: []string{"/tmp", "/var/cache/nginx"}}
		if err := p.Validate(); err != nil {
			t.Errorf("user %q: %v", user, err)
		}
	}
}

// The commonest images start as root, give files and themselves to another user, and
// listen on 80.
func TestCommonImagesKeepWhatTheyNeed(t *testing.T) {
	t.Parallel()
	for _, needed := range []string{"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT", "AUDIT_WRITE"} {
		if slices.Contains(config.Security{}.Dropped(), needed) {
			t.Errorf("%s is dropped", needed)
		}
	}
}
