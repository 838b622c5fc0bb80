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
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/session-manager-plugin/src/sessionmanagerplugin/session"
	_ "github.com/aws/session-manager-plugin/src/sessionmanagerplugin/session/portsession" // tunnels
	"github.com/aws/session-manager-plugin/src/sessionmanagerplugin/session/shellsession"
	"golang.org/x/term"
)

// responseVariable holds AWS's answer to the start of a session, with the token that
// opens it. The plugin reads a variable whose name begins so; the list of processes
// shows no environment to others.
const responseVariable = "AWS_SSM_START_SESSION_RESPONSE_OF_TFPIPELINE"

// lifeline is the descriptor whose other end the program that started the plugin
// has: the kernel closes that however the program ends. endWithin bounds the end of a
// session.
const (
	lifeline  = 3
	endWithin = 8 * time.Second
)

// Channel is a session that AWS has opened.
type Channel struct {
	ID, URL, Token string
	// Target is the task's container, as ecs:CLUSTER_TASK_RUNTIME.
	Target, Region string
}

// RunPlugin runs AWS's plugin if this process was started for that; ok is false if it
// was not. It ends the process with 0 when the session has ended, and returns if none
// could be opened. A session that nobody is left to use is ended.
func RunPlugin(args []string) (code int, ok bool) {
	if len(args) < 2 || args[0] != responseVariable {
		return 0, false
	}
	var response struct{ SessionId string }
	_ = json.Unmarshal([]byte(os.Getenv(responseVariable)), &response) // AWS's client says what is wrong with it
	// A terminal that closes is for the other program to answer; once that is gone
	// nobody reads what is printed. An interrupt kills nothing before AWS's client
	// handles it.
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	go func() {
		_, _ = io.Copy(io.Discard, os.NewFile(lifeline, "lifeline")) // nothing is ever written
		// First, since AWS's client may end this process as soon as it is interrupted.
		if folder := os.Getenv("TMPDIR"); strings.HasPrefix(filepath.Base(folder), tunnelFolder) {
			_ = os.RemoveAll(folder) // a socket alone
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGINT) // a tunnel closes
		terminate(args[1], response.SessionId)
		os.Exit(1)
	}()
	// The plugin's own check looks at the output, which is a pipe here.
	shellsession.GetTerminalSizeCall = func(int) (width, height int, err error) { return term.GetSize(int(os.Stdin.Fd())) }
	session.ValidateInputAndStartSession(append([]string{"session-manager-plugin"}, args...), os.Stderr)
	terminate(args[1], response.SessionId)
	return 1, true
}

// terminate has Session Manager end a session with all that runs in it. If that fails,
// the session ends by itself after 20 minutes without traffic.
func terminate(region, id string) {
	ctx, cancel := context.WithTimeout(context.Background(), endWithin)
	defer cancel()
	if cfg, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(region)); err == nil {
		_, _ = ssm.NewFromConfig(cfg).TerminateSession(ctx, &ssm.TerminateSessionInput{SessionId: &id}) // nobody is left to be told
	}
}

// plugin is the process that speaks on a channel, and ends the session when the
// context or this process ends. It needs release after its end.
func (c Channel) plugin(ctx context.Context, env []string) (cmd *exec.Cmd, release func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, fmt.Errorf("find this program: %w", err)
	}
	response, err := json.Marshal(map[string]string{"SessionId": c.ID, "StreamUrl": c.URL, "TokenValue": c.Token})
	if err != nil {
		return nil, nil, fmt.Errorf("write the session's answer: %w", err)
	}
	request, err := json.Marshal(map[string]string{"Target": c.Target})
	if err != nil {
		return nil, nil, fmt.Errorf("write the session's request: %w", err)
	}
	watched, held, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("start the session's client: %w", err)
	}
	cmd = exec.CommandContext(ctx, self, responseVariable, c.Region, session.StartSessionOperation, "", string(request), "")
	cmd.Env = append(append([]string{}, env...), responseVariable+"="+string(response))
	cmd.ExtraFiles = []*os.File{watched}
	cmd.Cancel = held.Close
	cmd.WaitDelay = endWithin + 2*time.Second
	return cmd, func() {
		held.Close()
		watched.Close()
	}, nil
}
