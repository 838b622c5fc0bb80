package session

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// opened is what the plugin prints once its port listens.
var opened = regexp.MustCompile(`^Port ([0-9]+) opened for sessionId`)

// tunnelFolder begins the name of the folder of a tunnel's socket.
const tunnelFolder = "tfpipeline-tunnel-"

// openWithin bounds the wait for that.
const openWithin = time.Minute

// tunnel has connections to a port of this machine lead to the channel's other end,
// until the function that it returns is called.
func tunnel(ctx context.Context, channel Channel, env []string) (port string, end func(), err error) {
	// What is interrupted is cancelled through the tunnel, which ends after that.
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	cmd, release, err := channel.plugin(life, env)
	if err != nil {
		stop()
		return "", nil, err
	}
	temporary := os.TempDir()
	if len(temporary) > 30 { // as on macOS, where the name of a socket has 103 bytes
		temporary = "/tmp"
	}
	folder, err := os.MkdirTemp(temporary, tunnelFolder)
	cancel := func() {
		stop()
		release()
		_ = os.RemoveAll(folder) // a socket alone
	}
	if err != nil {
		cancel()
		return "", nil, fmt.Errorf("open a tunnel: %w", err)
	}
	cmd.Env = append(cmd.Env, "TMPDIR="+folder) // where the plugin makes a socket
	output, printed, err := os.Pipe()
	if err != nil {
		cancel()
		return "", nil, fmt.Errorf("open a tunnel: %w", err)
	}
	cmd.Stdout, cmd.Stderr = printed, printed
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is not meant for it
	err = cmd.Start()
	printed.Close()
	if err != nil {
		cancel()
		output.Close()
		return "", nil, fmt.Errorf("open a tunnel: %w", err)
	}
	ports, said := make(chan string, 1), make(chan string, 1)
	go func() {
		defer output.Close()
		var lines []string
		for r := bufio.NewScanner(output); r.Scan(); {
			if m := opened.FindStringSubmatch(r.Text()); m != nil {
				ports <- m[1]
				_, _ = io.Copy(io.Discard, output) // until it ends
				return
			}
			lines = append(lines, strings.TrimSpace(r.Text()))
		}
		said <- strings.TrimSpace(strings.Join(lines, " "))
	}()
	end = func() {
		stop()
		_ = cmd.Wait() // it was told to end
		cancel()
	}
	timer := time.NewTimer(openWithin)
	defer timer.Stop()
	select {
	case port = <-ports:
		return port, end, nil
	case text := <-said:
		err = errors.New(text)
	case <-timer.C:
		err = fmt.Errorf("no answer within %s", openWithin)
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	end()
	return "", nil, fmt.Errorf("open a tunnel by session %s: %w", channel.ID, err)
}
