package task

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// Like the awslogs driver, logs are sent in batches of what has gathered in a
// moment, within the limits of PutLogEvents:
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
const (
	flushEvery = 200 * time.Millisecond
	flushLines = 1000
	flushBytes = 512 << 10
	lineBytes  = 256 << 10
	logWait    = 5 * time.Second // for one call
)

// Logs sends the logs of containers to CloudWatch, for Options.Log. It calls
// warn about lines that could not be sent.
func Logs(client *sdk.Client, warn func(error)) func(context.Context, aws.Credentials, Stream) (io.WriteCloser, error) {
	return func(ctx context.Context, as aws.Credentials, s Stream) (io.WriteCloser, error) {
		settings := func(o *sdk.Options) {
			o.Credentials = provider(as, o.Credentials)
			if s.Region != "" {
				o.Region = s.Region
			}
			o.RetryMaxAttempts = 2 // the end of a task waits for its log
		}
		if s.Create {
			_, err := client.CreateLogGroup(ctx, &sdk.CreateLogGroupInput{LogGroupName: &s.Group}, settings)
			if _, ok := errors.AsType[*types.ResourceAlreadyExistsException](err); err != nil && !ok {
				return nil, err
			}
		}
		if _, err := client.CreateLogStream(ctx, &sdk.CreateLogStreamInput{LogGroupName: &s.Group, LogStreamName: &s.Name}, settings); err != nil {
			return nil, err
		}
		l := &logStream{
			lines: make(chan types.InputLogEvent, flushLines), done: make(chan struct{}),
			put: func(events []types.InputLogEvent) {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logWait)
				defer cancel()
				_, err := client.PutLogEvents(ctx, &sdk.PutLogEventsInput{LogGroupName: &s.Group, LogStreamName: &s.Name, LogEvents: events}, settings)
				if err != nil {
					warn(fmt.Errorf("send %d lines to log stream %s of %s: %w", len(events), s.Name, s.Group, err))
				}
			},
		}
		go l.send()
		return l, nil
	}
}

// logStream collects lines and sends them. A container that writes faster than
// CloudWatch accepts has to wait, as in the driver's mode "blocking".
type logStream struct {
	lines  chan types.InputLogEvent
	put    func([]types.InputLogEvent)
	done   chan struct{} // closed when the last line was sent
	closed sync.Once
}

func (l *logStream) Write(line []byte) (int, error) {
	if len(line) == 0 {
		line = []byte(" ") // an event must not be empty
	}
	text := string(line[:min(len(line), lineBytes)])
	l.lines <- types.InputLogEvent{Message: &text, Timestamp: new(time.Now().UnixMilli())}
	return len(line), nil
}

// Close returns when everything has been sent. Nothing may be written after
// it.
func (l *logStream) Close() error {
	l.closed.Do(func() { close(l.lines) })
	<-l.done
	return nil
}

func (l *logStream) send() {
	defer close(l.done)
	var batch []types.InputLogEvent
	size := 0
	flush := func() {
		if len(batch) > 0 {
			l.put(batch)
			batch, size = nil, 0
		}
	}
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	for {
		select {
		case event, ok := <-l.lines:
			if !ok {
				flush()
				return
			}
			batch, size = append(batch, event), size+len(*event.Message)
			if len(batch) == flushLines || size > flushBytes {
				flush()
			}
		case <-ticker.C:
			flush()
		}
	}
}
