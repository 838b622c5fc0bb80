// Terraform stands in for the real one in tests. It is a program of its own, since it
// is started thousands of times and a test binary takes long to start.
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() { os.Exit(run(os.Args[1:])) }

// run writes its arguments to
// $FAKE/calls and looks for files there that say what to do, named for the
// command and, before that, for the how manieth call of it this is, or for the
// root: plan.2.err, plan.staging.err, plan.err. Their endings are out, err, exit, and run, which makes
// it start a provider and wait for an interrupt; what the file holds is how long
// it takes to stop then. With pause it writes the file paused, and waits until that is
// removed.
func run(args []string) int {
	dir := os.Getenv("FAKE")
	verb := args[0]
	if slices.Contains(args, "-refresh-only") && verb == "apply" {
		verb = "refresh"
	}
	if verb == "version" {
		fmt.Println(`{"terraform_version":"1.11.4","platform":"linux_amd64","provider_selections":{}}`)
		return 0
	}
	log, err := os.OpenFile(filepath.Join(dir, "calls"), os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 99
	}
	earlier, _ := io.ReadAll(log)
	nth := 1 + strings.Count("\n"+string(earlier), "\n"+verb+" ")
	for i, a := range args {
		if filepath.IsAbs(a) { // a plan's place is different each time
			args[i] = "PLAN"
		}
		if out, ok := strings.CutPrefix(a, "-out="); ok {
			args[i] = "-out=PLAN"
			if err := os.WriteFile(out, []byte("plan"), 0o644); err != nil {
				return 99
			}
		}
	}
	fmt.Fprintln(log, strings.Join(args, " ")+" ")
	log.Close()

	here, _ := os.Getwd()
	file := func(ending string) (string, bool) {
		for _, name := range []string{fmt.Sprintf("%s.%d.%s", verb, nth, ending), verb + "." + filepath.Base(here) + "." + ending, verb + "." + ending} {
			if content, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
				return string(content), true
			}
		}
		return "", false
	}
	if (verb == "apply" || verb == "refresh") && os.Getenv("AWS_ENDPOINT_URL_SECRETS_MANAGER") != "" {
		// The configuration decodes a secret that only plans may not see.
		fmt.Fprintln(os.Stderr, `Error: Call to function "jsondecode" failed: EOF.`)
		return 1
	}
	if out, ok := file("out"); ok {
		fmt.Print(out)
	} else if verb == "show" {
		fmt.Print(`{"format_version":"1.2","terraform_version":"1.11.4","applyable":false}`)
	} else if verb == "output" {
		fmt.Print(`{}`)
	}
	if state, ok := file("errored"); ok {
		_ = os.WriteFile("errored.tfstate", []byte(state), 0o600)
	}
	if _, ok := file("pause"); ok {
		_ = os.WriteFile(filepath.Join(dir, "paused"), nil, 0o600)
		for end := time.Now().Add(time.Minute); time.Now().Before(end); <-time.After(10 * time.Millisecond) {
			if _, err := os.Stat(filepath.Join(dir, "paused")); err != nil {
				break
			}
		}
	}
	text, _ := file("err")
	fmt.Fprint(os.Stderr, text)
	if stop, ok := file("run"); ok {
		state, _ := file("stopped.errored")
		return work(dir, stop, state)
	}
	if code, ok := file("exit"); ok {
		n := 0
		fmt.Sscan(code, &n)
		return n
	}
	return 0
}

// work works until it is interrupted, and then finishes in good order. state,
// if there is one, is what it could not save.
func work(dir, stop, state string) int {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt)
	// As providers do, it ignores interrupts and outlives a Terraform that is killed.
	provider := exec.Command("sh", "-c", "trap '' INT; while :; do sleep 600; done")
	if err := provider.Start(); err != nil {
		return 99
	}
	_ = os.WriteFile(filepath.Join(dir, "running"), fmt.Appendf(nil, "%d %d\n", os.Getpid(), provider.Process.Pid), 0o600)
	<-signals
	_ = os.WriteFile(filepath.Join(dir, "stopping"), nil, 0o600)
	takes, err := time.ParseDuration(strings.TrimSpace(stop))
	if err != nil {
		takes = 200 * time.Millisecond
	}
	<-time.After(takes)
	if state != "" {
		_ = os.WriteFile("errored.tfstate", []byte(state), 0o600)
	}
	_ = provider.Process.Kill()
	_ = os.WriteFile(filepath.Join(dir, "stopped"), fmt.Appendf(nil, "%d more signals\n", len(signals)), 0o600)
	return 1
}
