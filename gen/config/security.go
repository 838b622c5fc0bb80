package config

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Restricted are the Linux capabilities that no container has: hardly any image needs
// them, and with NET_RAW a process can forge packets. It keeps those that an image
// needs which starts as root: to change the owners of files, to become another user, to
// listen on ports below 1024, and chroot.
func Restricted() []string { return []string{"MKNOD", "NET_RAW", "SETFCAP"} }

// Dropped are the Linux capabilities that a container does not have.
func (s Security) Dropped() []string {
	if s.NoCapabilities {
		return []string{"ALL"}
	}
	return Restricted()
}

// userPattern matches the name of a user or a group.
var userPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,31}$`)

// isUser reports whether ECS accepts the text as a user, with or without a group.
func isUser(text string) bool {
	parts := strings.Split(text, ":")
	return len(parts) <= 2 && !slices.ContainsFunc(parts, func(one string) bool {
		_, err := strconv.ParseUint(one, 10, 31)
		return err != nil && !userPattern.MatchString(one)
	})
}

// kernelPattern matches the folders that the container's runtime mounts by itself, and
// all below them.
var kernelPattern = regexp.MustCompile(`^/(dev|proc|sys)(/|$)`)

// security checks what a container may do.
func (c *checker) security(at string, s Security) {
	c.must(s.User == "" || isUser(s.User), at+".user", s.User, "is neither a user nor a user and a group, each by name or by number up to 2147483647", "1000:1000")
	for i, folder := range s.Writable {
		of := indexed(at+".writable", i)
		if !c.must(path.IsAbs(folder) && path.Clean(folder) == folder && folder != "/" && isPrintable(folder), of, folder, "is not the absolute path of a folder below the root", "/tmp") {
			continue
		}
		c.must(!kernelPattern.MatchString(folder), of, folder, "is in a file system of the kernel's: /dev, /proc or /sys", "/tmp")
		c.must(slices.Index(s.Writable, folder) == i, of, folder, "is listed twice", nil)
		c.must(s.ReadOnlyRoot, of, folder, "has no effect: without readOnlyRoot every folder is writable", literal("ReadOnlyRoot: true"))
	}
}

// entered checks that ECS Exec, whose agent writes into the container, can work where
// an environment allows it.
func (c *checker) entered(at string, e Environment) {
	for _, s := range c.Services {
		c.must(!e.Exec || !s.Security.ReadOnlyRoot, at+".exec", true,
			"opens no session in service "+show(s.Name)+", whose root is read-only: ECS Exec writes there", false)
		c.must(!e.Exec || !s.Security.OwnInit, at+".exec", true,
			"leaves processes of sessions behind in service "+show(s.Name)+", which has no init process of ECS's (ownInit)", false)
	}
}

// bytes estimates how many bytes the settings add to a task definition.
func (s Security) bytes() int {
	size := 160 + len(s.User)
	for _, folder := range s.Writable {
		size += 96 + len(folder)
	}
	return size
}
