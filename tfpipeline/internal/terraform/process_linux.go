package terraform

import "syscall"

// ownGroup keeps a terminal's Ctrl-C away from Terraform, which gets one
// interrupt from the driver instead, and ends Terraform if the driver dies.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
