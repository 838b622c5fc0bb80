// Package channel is the agent's end of Session Manager's data channel, as AWS's
// session-manager-plugin expects it: one websocket, numbered messages that are sent
// again until they are acknowledged, and a handshake that says what the session is.
//
// Messages are read and written by the plugin's own package message.
package channel

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/aws/session-manager-plugin/src/config"
	"github.com/aws/session-manager-plugin/src/log"
	"github.com/aws/session-manager-plugin/src/message"
	"github.com/gorilla/websocket"
	"github.com/twinj/uuid"
)

const (
	// agentVersion is one whose tunnels carry many connections.
	agentVersion = "3.3.2299.0"
	// openWithin bounds the handshake, and settleWithin what is still to be
	// acknowledged when a session ends.
	openWithin, settleWithin = 30 * time.Second, 10 * time.Second
	// resendAfter is how long a message waits for its acknowledgement: the plugin
	// drops what comes before it is ready.
	resendAfter = 200 * time.Millisecond
)

// Kind is what a session is, as the handshake says it.
type Kind struct {
	Type       string            `json:"SessionType"`
	Properties map[string]string `json:"Properties"`
}

// Shell is a command with a terminal.
func Shell() Kind { return Kind{Type: config.ShellPluginName} }

// Port leads connections to a port of the client's machine elsewhere.
func Port(number, local string) Kind {
	return Kind{Type: config.PortPluginName, Properties: map[string]string{"portNumber": number, "localPortNumber": local, "type": "LocalPortForwarding"}}
}

// Channel is an open channel: what the client sends is read from it, and what is
// written reaches the client.
type Channel struct {
	// Resized is called with the size of the client's terminal; may be nil.
	Resized func(columns, rows uint16)

	socket *websocket.Conn
	log    log.T
	input  *io.PipeReader
	typed  *io.PipeWriter
	ctx    context.Context
	end    context.CancelCauseFunc

	mu       sync.Mutex
	sequence int64
	expected int64
	unread   []sent // what is not acknowledged, oldest first
	settled  chan struct{}
	ready    chan struct{} // closed by the client's answer to the handshake
}

type sent struct {
	sequence int64
	content  []byte
	at       time.Time
}

// Open answers a client's request for a websocket and goes through the handshake.
// resized may be nil.
func Open(ctx context.Context, w http.ResponseWriter, r *http.Request, token string, kind Kind, resized func(columns, rows uint16)) (*Channel, error) {
	socket, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return nil, fmt.Errorf("open the data channel: %w", err)
	}
	c := &Channel{Resized: resized, socket: socket, log: log.Logger(false, "localaws"), ready: make(chan struct{}), settled: make(chan struct{}, 1)}
	c.input, c.typed = io.Pipe()
	c.ctx, c.end = context.WithCancelCause(ctx)
	context.AfterFunc(c.ctx, func() { //nolint:contextcheck // it is the one made of ctx
		_ = c.typed.CloseWithError(io.EOF) // it never fails
		_ = socket.Close()                 // what was sent is sent
	})
	if err := c.introduce(token, kind); err != nil {
		c.end(err)
		return nil, fmt.Errorf("open the data channel: %w", err)
	}
	return c, nil
}

// introduce asks the client for its token and tells it what the session is.
func (c *Channel) introduce(token string, kind Kind) error {
	var hello struct{ TokenValue string }
	if err := c.socket.SetReadDeadline(time.Now().Add(openWithin)); err != nil {
		return err
	}
	if err := c.socket.ReadJSON(&hello); err != nil {
		return fmt.Errorf("read the token: %w", err)
	}
	if hello.TokenValue != token {
		return errors.New("the token is another session's")
	}
	if err := c.socket.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	go c.read()
	go c.resend()
	parameters, err := json.Marshal(kind)
	if err != nil {
		return err
	}
	request := message.HandshakeRequestPayload{
		AgentVersion:           agentVersion,
		RequestedClientActions: []message.RequestedClientAction{{ActionType: message.SessionType, ActionParameters: parameters}},
	}
	if err := c.sendJSON(message.HandshakeRequestPayloadType, request); err != nil {
		return err
	}
	timer := time.NewTimer(openWithin)
	defer timer.Stop()
	select {
	case <-c.ready:
	case <-timer.C:
		return errors.New("no answer to the handshake")
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	}
	return c.sendJSON(message.HandshakeCompletePayloadType, message.HandshakeCompletePayload{})
}

// Done is closed when the client has gone or ended the session.
func (c *Channel) Done() <-chan struct{} { return c.ctx.Done() }

func (c *Channel) Read(p []byte) (int, error) { return c.input.Read(p) }

// Write sends output to the client, in pieces that its protocol allows.
func (c *Channel) Write(p []byte) (int, error) {
	for n := 0; n < len(p); n += config.StreamDataPayloadSize {
		if err := c.send(message.Output, p[n:min(n+config.StreamDataPayloadSize, len(p))]); err != nil {
			return n, err
		}
	}
	return len(p), nil
}

// Close tells the client that the session has ended, once it has read everything.
func (c *Channel) Close() error {
	timer := time.NewTimer(settleWithin)
	defer timer.Stop()
	defer c.end(io.EOF)
	for !c.isSettled() {
		select {
		case <-c.settled:
		case <-timer.C:
			return errors.New("close the data channel: the client has not read all")
		case <-c.ctx.Done():
			return nil
		}
	}
	payload, err := json.Marshal(message.ChannelClosed{MessageType: message.ChannelClosedMessage, SchemaVersion: 1})
	if err != nil {
		return fmt.Errorf("close the data channel: %w", err)
	}
	if err := c.write(message.ClientMessage{MessageType: message.ChannelClosedMessage, Payload: payload}); err != nil {
		return fmt.Errorf("close the data channel: %w", err)
	}
	select {
	case <-c.ctx.Done(): // the client closes it
	case <-timer.C:
	}
	return nil
}

func (c *Channel) isSettled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.unread) == 0
}

func (c *Channel) sendJSON(kind message.PayloadType, v any) error {
	payload, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.send(kind, payload)
}

// send sends a numbered message, and keeps it until it is acknowledged.
func (c *Channel) send(kind message.PayloadType, payload []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := message.ClientMessage{MessageType: message.OutputStreamMessage, SequenceNumber: c.sequence, PayloadType: uint32(kind), Payload: payload}
	content, err := c.serialize(m)
	if err != nil {
		return err
	}
	c.unread = append(c.unread, sent{c.sequence, content, time.Now()})
	c.sequence++
	return c.socket.WriteMessage(websocket.BinaryMessage, content)
}

func (c *Channel) write(m message.ClientMessage) error {
	content, err := c.serialize(m)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.socket.WriteMessage(websocket.BinaryMessage, content)
}

func (c *Channel) serialize(m message.ClientMessage) ([]byte, error) {
	m.SchemaVersion, m.CreatedDate, m.MessageId = 1, uint64(time.Now().UnixMilli()), uuid.NewV4()
	return m.SerializeClientMessage(c.log)
}

// resend repeats the oldest messages that are not acknowledged.
func (c *Channel) resend() {
	tick := time.NewTicker(resendAfter)
	defer tick.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-tick.C:
		}
		c.mu.Lock()
		var err error
		for i := range c.unread {
			if s := &c.unread[i]; time.Since(s.at) > resendAfter && err == nil {
				s.at = time.Now()
				err = c.socket.WriteMessage(websocket.BinaryMessage, s.content)
			}
		}
		c.mu.Unlock()
		if err != nil {
			c.end(err)
			return
		}
	}
}

// read handles what the client sends until it has gone.
func (c *Channel) read() {
	for {
		_, content, err := c.socket.ReadMessage()
		var m message.ClientMessage
		if err == nil {
			err = m.DeserializeClientMessage(c.log, content)
		}
		if err == nil {
			err = c.handle(m)
		}
		if err != nil {
			c.end(err)
			return
		}
	}
}

func (c *Channel) handle(m message.ClientMessage) error {
	switch m.MessageType {
	case message.AcknowledgeMessage:
		a, err := m.DeserializeDataStreamAcknowledgeContent(c.log)
		if err != nil {
			return err
		}
		c.acknowledged(a.SequenceNumber)
		return nil
	case message.InputStreamMessage:
	default:
		return nil // what the client says about itself
	}
	acknowledgement, err := message.SerializeClientMessageWithAcknowledgeContent(c.log, message.AcknowledgeContent{
		MessageType: m.MessageType, MessageId: m.MessageId.String(), SequenceNumber: m.SequenceNumber, IsSequentialMessage: true,
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	err = c.socket.WriteMessage(websocket.BinaryMessage, acknowledgement)
	repeated := m.SequenceNumber < c.expected
	if !repeated {
		c.expected = m.SequenceNumber + 1
	}
	c.mu.Unlock()
	if err != nil || repeated {
		return err
	}
	return c.take(m)
}

// take handles a message of the client's stream.
func (c *Channel) take(m message.ClientMessage) error {
	switch message.PayloadType(m.PayloadType) {
	case message.Output:
		_, err := c.typed.Write(m.Payload)
		return err
	case message.HandshakeResponsePayloadType:
		close(c.ready)
	case message.Size:
		var size message.SizeData
		if err := json.Unmarshal(m.Payload, &size); err != nil {
			return fmt.Errorf("read the terminal's size: %w", err)
		}
		if c.Resized != nil {
			c.Resized(uint16(size.Cols), uint16(size.Rows))
		}
	case message.Flag:
		if len(m.Payload) == 4 && message.PayloadTypeFlag(binary.BigEndian.Uint32(m.Payload)) == message.TerminateSession {
			return io.EOF
		}
	}
	return nil
}

// acknowledged forgets a message that the client has handled.
func (c *Channel) acknowledged(sequence int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, s := range c.unread {
		if s.sequence == sequence {
			c.unread = append(c.unread[:i], c.unread[i+1:]...)
			break
		}
	}
	if len(c.unread) == 0 {
		select {
		case c.settled <- struct{}{}:
		default: // it is known already
		}
	}
}
