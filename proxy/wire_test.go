package proxy_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgseal/pgseal/internal/wirescript"
)

// A wire script is a list of messages as package wirescript has them, one a line,
// and of:
//
//	raw "bytes"                  these bytes, quoted as in Go
//	wait X                       read messages until one of type X (ReadyForQuery: Z), or
//	                             one that reads like X; wait closed: until the server closes
//	shut                         close the connection for writing
//	pause                        send what was collected, and give the server time to answer
//	on b                         go on as the client b, which is connected and logged in the
//	                             first time; the script begins as the client a
//	dial b                       go on as the client b, which is connected only
//	ssl, gss                     SSLRequest, GSSENCRequest, and the byte that answers it
//	startup 3.0 | name=value …   start-up packet; user and database are added
//	# …                          a comment; "# needs Postgres 17" in the first line: see needsVersion
//
// The transcript is every message that the server sent, in words. The same
// script runs against Postgres itself and through pgseal.

// wireTimeout bounds what a script waits for.
const wireTimeout = 60 * time.Second

// wirePlayer plays wire scripts against one server.
type wirePlayer struct {
	dsn     string
	config  *pgconn.Config
	clients map[string]*wireClient
	current *wireClient
	lines   []string      // the transcript
	timeout time.Duration // of a wait

	// cuts splits what is sent at random places; nil: it goes out in one piece.
	cuts *rand.Rand
	// paused counts the messages that had come at each pause. A player that is
	// given the counts of another waits until it has as many.
	paused, expected []int
}

func newWirePlayer(dsn string) (*wirePlayer, error) {
	config, err := pgconn.ParseConfig(dsn)
	return &wirePlayer{dsn: dsn, config: config, clients: map[string]*wireClient{}, timeout: wireTimeout}, err
}

// dialWire connects and logs in without a password.
func dialWire(t testing.TB, dsn string) *wireTest {
	t.Helper()
	p, err := newWirePlayer(dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	if err := p.on("a"); err != nil {
		t.Fatal(err)
	}
	return &wireTest{t, p}
}

// wireTest is a wirePlayer whose errors end the test.
type wireTest struct {
	t      testing.TB
	player *wirePlayer
}

// run plays a script and gives the transcript.
func (w *wireTest) run(script string) []string {
	w.t.Helper()
	if err := w.player.play(script); err != nil {
		w.t.Fatal(err)
	}
	return w.player.lines
}

func (p *wirePlayer) close() {
	for _, c := range p.clients {
		_ = c.conn.Close()
		close(c.over)
	}
}

// on goes on as a client that is logged in.
func (p *wirePlayer) on(name string) error {
	if c := p.clients[name]; c != nil {
		p.current = c
		return nil
	}
	if err := p.dial(name); err != nil {
		return err
	}
	p.current.out = p.startupPacket(pgproto3.ProtocolVersion30, "")
	if err := p.current.flush(nil); err != nil {
		return err
	}
	for {
		switch line := p.current.next(p.timeout); {
		case strings.HasPrefix(line, "Z "):
			return nil
		case strings.HasPrefix(line, "E "), line == connectionClosed, line == "":
			return fmt.Errorf("start-up of client %s: %q", name, line)
		}
	}
}

func (p *wirePlayer) dial(name string) error {
	network, address := pgconn.NetworkAddress(p.config.Host, p.config.Port)
	conn, err := net.DialTimeout(network, address, 10*time.Second)
	if err != nil {
		return err
	}
	p.current = &wireClient{conn: conn, over: make(chan struct{})}
	if name != "a" {
		p.current.prefix = name + ": "
	}
	p.clients[name] = p.current
	return conn.SetDeadline(time.Now().Add(10 * wireTimeout))
}

// startupPacket makes a start-up packet; parameters are name=value, separated by
// blanks.
func (p *wirePlayer) startupPacket(version uint32, parameters string) []byte {
	packet := binary.BigEndian.AppendUint32(make([]byte, 4), version)
	words := append([]string{"user=" + p.config.User, "database=" + p.config.Database}, strings.Fields(parameters)...)
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		packet = append(append(append(append(packet, name...), 0), value...), 0)
	}
	packet = append(packet, 0)
	binary.BigEndian.PutUint32(packet, uint32(len(packet)))
	return packet
}

// play plays a script; the transcript goes on in p.lines.
func (p *wirePlayer) play(script string) error {
	for n, line := range strings.Split(script, "\n") {
		line = strings.TrimLeft(line, " \t")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := p.playLine(line); err != nil {
			return fmt.Errorf("line %d, %q: %w", n+1, line, err)
		}
	}
	return p.flush()
}

func (p *wirePlayer) flush() error { return p.current.flush(p.cuts) }

func (p *wirePlayer) playLine(line string) error {
	word, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	switch word {
	case "wait":
		if err := p.flush(); err != nil {
			p.lines = append(p.lines, p.current.prefix+connectionClosed)
			return nil
		}
		return p.waitFor(rest)
	case "shut":
		if err := p.flush(); err != nil {
			return err
		}
		return p.current.conn.(*net.TCPConn).CloseWrite()
	case "pause":
		return p.pause()
	case "on":
		if err := p.flush(); err != nil {
			return err
		}
		return p.on(rest)
	case "dial":
		return p.dial(rest)
	case "ssl", "gss":
		code := map[string]uint32{"ssl": 80877103, "gss": 80877104}[word]
		p.current.out = binary.BigEndian.AppendUint32(append(p.current.out, 0, 0, 0, 8), code)
		if err := p.flush(); err != nil {
			return err
		}
		var answer [1]byte
		if _, err := io.ReadFull(p.current.conn, answer[:]); err != nil {
			return err
		}
		p.lines = append(p.lines, fmt.Sprintf("%sbyte %q", p.current.prefix, answer[0]))
		return nil
	case "startup":
		version, parameters, _ := strings.Cut(rest, "|")
		var major, minor uint32
		if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil {
			return err
		}
		p.current.out = append(p.current.out, p.startupPacket(major<<16|minor, parameters)...)
		return nil
	case "raw":
		bytes, err := strconv.Unquote(rest)
		p.current.out = append(p.current.out, bytes...)
		return err
	}
	m, err := wirescript.Parse(line)
	if err != nil {
		return err
	}
	p.current.out, err = m.Encode(p.current.out)
	return err
}

// waitFor reads messages until one is as wanted.
func (p *wirePlayer) waitFor(want string) error {
	if want == "closed" {
		want = connectionClosed
	}
	for {
		line := p.current.next(p.timeout)
		if line == "" {
			return fmt.Errorf("nothing came for %v", p.timeout)
		}
		p.lines = append(p.lines, p.current.prefix+line)
		if line == want || line == connectionClosed || strings.HasPrefix(line, want+" ") {
			return nil
		}
	}
}

// quiet is how long nothing comes when a server has said what it has to say.
// Nothing hangs on it: a pause that was too short proves less.
const quiet = 3 * time.Millisecond

// pause reads what comes.
func (p *wirePlayer) pause() error {
	_ = p.flush() // when the connection is gone, the next wait tells
	if p.expected == nil {
		for line := p.current.next(quiet); line != "" && line != connectionClosed; line = p.current.next(quiet) {
			p.lines = append(p.lines, p.current.prefix+line)
		}
		p.paused = append(p.paused, len(p.lines))
		return nil
	}
	want := p.expected[0]
	p.expected = p.expected[1:]
	for len(p.lines) < want {
		line := p.current.next(p.timeout)
		if line == "" {
			return fmt.Errorf("Postgres has sent %d messages by now; through pgseal %d came, and no more for %v", want, len(p.lines), p.timeout)
		}
		p.lines = append(p.lines, p.current.prefix+line)
		if line == connectionClosed {
			return nil
		}
	}
	return nil
}

// wireClient is a raw client.
type wireClient struct {
	prefix   string // of its lines in the transcript
	conn     net.Conn
	out      []byte        // messages that were not sent yet
	received chan string   // in words; nil until something is waited for
	gone     bool          // connectionClosed was handed out
	over     chan struct{} // closed when nobody reads received any more
}

// flush sends what was collected, in pieces if cuts says so.
func (c *wireClient) flush(cuts *rand.Rand) error {
	out := c.out
	c.out = c.out[:0]
	for len(out) > 0 {
		n := len(out)
		if cuts != nil && cuts.IntN(4) > 0 {
			n = 1 + cuts.IntN(n)
		}
		if _, err := c.conn.Write(out[:n]); err != nil {
			return err
		}
		out = out[n:]
	}
	return nil
}

// connectionClosed stands in a transcript where the connection ends.
const connectionClosed = "connection closed"

// next gives the next message in words, "" when none comes in time.
func (c *wireClient) next(timeout time.Duration) string {
	if c.received == nil {
		c.received = make(chan string, 1<<13) // so that a script that sends much without a wait does not hang
		go c.receiveAll()
	}
	if c.gone {
		return connectionClosed
	}
	select {
	case line := <-c.received:
		c.gone = line == connectionClosed
		return line
	default:
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case line := <-c.received:
		c.gone = line == connectionClosed
		return line
	case <-timer.C:
		return ""
	}
}

// receiveAll puts all that the server sends in words.
func (c *wireClient) receiveAll() {
	frontend := pgproto3.NewFrontend(c.conn, nil)
	for {
		m, err := frontend.Receive()
		line := connectionClosed
		var network net.Error
		switch {
		case err == nil:
			line = wirescript.Describe(m)
		case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, &network):
			line = "unreadable: " + err.Error()
		}
		select {
		case c.received <- line:
		case <-c.over:
			return
		}
		if line == connectionClosed {
			return
		}
	}
}

// readScript reads a wire script.
func readScript(t testing.TB, file string) string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
