// Package session is what people do inside an environment by Session Manager's data
// channel: run a command in a task, and open a console of the database through one.
//
// AWS's own client, session-manager-plugin, speaks the protocol. It is a part of this
// program, so that nothing has to be installed, and runs in a process of its own: it
// ends its process, prints what it likes and listens to signals.
package session

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/aws/session-manager-plugin/src/sessionmanagerplugin/session"
	_ "github.com/aws/session-manager-plugin/src/sessionmanagerplugin/session/portsession" // tunnels
	"github.com/aws/session-manager-plugin/src/sessionmanagerplugin/session/shellsession"
	"golang.org/x/term"
)

// responseVariable holds AWS's answer to the start of a session, with the token that
// opens it. The plugin reads a variable whose name begins so; the list of processes
// shows no environment to others.
const responseVariable = "AWS_SSM_START_SESSION_RESPONSE_OF_TFPIPELINE"

// Channel is a session that AWS has opened.
type Channel struct {
	ID, URL, Token string
	// Target is the task's container, as ecs:CLUSTER_TASK_RUNTIME.
	Target, Region string
}

// RunPlugin runs AWS's plugin if this process was started for that; ok is false if it
// was not. It ends the process with 0 when the session has ended, and returns if none
// could be opened.
func RunPlugin(args []string) (code int, ok bool) {
	if len(args) == 0 || args[0] != responseVariable {
		return 0, false
	}
	// Its own looks at the output, which goes through a pipe here.
	shellsession.GetTerminalSizeCall = func(int) (width, height int, err error) { return term.GetSize(int(os.Stdin.Fd())) }
	session.ValidateInputAndStartSession(append([]string{"session-manager-plugin"}, args...), os.Stderr)
	return 1, true
}

// plugin is the process that speaks on a channel. When the context ends, it is asked
// to end the session.
func (c Channel) plugin(ctx context.Context, env []string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	response, err := json.Marshal(map[string]string{"SessionId": c.ID, "StreamUrl": c.URL, "TokenValue": c.Token})
	if err != nil {
		return nil, fmt.Errorf("write the session's answer: %w", err)
	}
	request, err := json.Marshal(map[string]string{"Target": c.Target})
	if err != nil {
		return nil, fmt.Errorf("write the session's request: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, responseVariable, c.Region, session.StartSessionOperation, "", string(request), "")
	cmd.Env = append(append([]string{}, env...), responseVariable+"="+string(response))
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	return cmd, nil
}
