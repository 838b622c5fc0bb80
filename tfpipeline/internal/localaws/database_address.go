package localaws

import (
	"context"
	"io"
	"net"
	"strconv"
	"sync"
)

// databaseAddress is the address of a database identifier, like RDS's DNS name: it
// outlives the instance and leads to the next one that gets the identifier.
// Connections stay where they were made.
type databaseAddress struct {
	listener net.Listener
	ctx      context.Context // ends with close
	end      context.CancelFunc

	mu   sync.Mutex
	port int // of the server; 0: none
}

func newDatabaseAddress() (*databaseAddress, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	a := &databaseAddress{listener: l}
	a.ctx, a.end = context.WithCancel(context.Background())
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			go a.serve(c)
		}
	}()
	return a, nil
}

// setPort sets the port of the server.
func (a *databaseAddress) setPort(port int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.port = port
}

// serve passes a connection on, until either side ends it.
func (a *databaseAddress) serve(c net.Conn) {
	defer func() { _ = c.Close() }() // the copy is over
	a.mu.Lock()
	port := a.port
	a.mu.Unlock()
	if port == 0 {
		return
	}
	var d net.Dialer
	server, err := d.DialContext(a.ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return // the server is gone, and so is the connection
	}
	defer func() { _ = server.Close() }()
	stop := context.AfterFunc(a.ctx, func() { _, _ = c.Close(), server.Close() })
	defer stop()
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{c, server}, {server, c}} {
		go func() {
			_, _ = io.Copy(way[0], way[1]) // either side may end it
			done <- struct{}{}
		}()
	}
	<-done
}

func (a *databaseAddress) close() {
	a.end()
	_ = a.listener.Close() // nothing was begun on it
}

func (a *databaseAddress) hostPort() (host string, port int) {
	at, ok := a.listener.Addr().(*net.TCPAddr)
	if !ok {
		return "", 0
	}
	return at.IP.String(), at.Port
}
