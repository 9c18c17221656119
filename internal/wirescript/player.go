// Package wirescript plays scripts of the wire protocol against a server, and puts
// what the server answers in words: the same script runs against Postgres itself and
// through pgseal, and the two transcripts are compared.
//
// A script is a list of messages, one a line, and of waits:
//
//	Q text                       Query
//	P name | text | oids         Parse; oids separated by blanks, may be left out
//	B portal name | params | parameter formats | result formats
//	                             Bind; params: NULL, 'text', x'hex'; formats: 0 and 1
//	D S name, D P portal         Describe
//	E portal rows                Execute
//	C S name, C P portal         Close
//	H, S, X                      Flush, Sync, Terminate
//	d text, c, f text            CopyData (\n, \t and \\ as in Go), CopyDone, CopyFail
//	F oid | args | argument formats | result format
//	                             FunctionCall
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
//	# …                          a comment; "# needs Postgres 17" in the first line: see Needs
//
// A name _ is the unnamed one. The text of a Query or Parse that begins with a
// double quote is quoted as in Go, for texts with line ends or bars.
//
// The transcript is every message that the server sent, in words.
//
// Files: player.go plays, client.go has the connections, message.go reads a script's
// messages and puts the server's in words.
package wirescript

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// defaultTimeout bounds what a script waits for.
const defaultTimeout = 60 * time.Second

// Player plays wire scripts against one server.
type Player struct {
	config  *pgconn.Config
	clients map[string]*client
	current *client

	Lines   []string      // the transcript
	Timeout time.Duration // of a wait
	// Cuts splits what is sent at random places; nil: it goes out in one piece.
	Cuts *rand.Rand
	// Paused counts the messages that had come at each pause. A player whose Expected
	// are the counts of another waits until it has as many.
	Paused, Expected []int
}

// NewPlayer makes a player that is not connected yet: see On.
func NewPlayer(dsn string) (*Player, error) {
	config, err := pgconn.ParseConfig(dsn)
	return &Player{config: config, clients: map[string]*client{}, Timeout: defaultTimeout}, err
}

// Close closes all connections.
func (p *Player) Close() {
	for _, c := range p.clients {
		_ = c.conn.Close()
		close(c.over)
	}
	clear(p.clients)
}

// On goes on as a client that is logged in.
func (p *Player) On(name string) error {
	if c := p.clients[name]; c != nil {
		p.current = c
		return nil
	}
	if err := p.Dial(name); err != nil {
		return err
	}
	p.current.out = p.StartupPacket(pgproto3.ProtocolVersion30, "")
	if err := p.current.flush(nil); err != nil {
		return err
	}
	for {
		switch line := p.current.next(p.Timeout); {
		case strings.HasPrefix(line, "Z "):
			return nil
		case strings.HasPrefix(line, "E "), line == ConnectionClosed, line == "":
			return fmt.Errorf("start-up of client %s: %q", name, line)
		}
	}
}

// Dial goes on as a client that is connected and has sent nothing.
func (p *Player) Dial(name string) error {
	network, address := pgconn.NetworkAddress(p.config.Host, p.config.Port)
	conn, err := net.DialTimeout(network, address, 10*time.Second)
	if err != nil {
		return err
	}
	p.current = &client{conn: conn, over: make(chan struct{})}
	if name != "a" {
		p.current.prefix = name + ": "
	}
	p.clients[name] = p.current
	return conn.SetDeadline(time.Now().Add(10 * defaultTimeout))
}

// StartupPacket makes a start-up packet; parameters are name=value, separated by
// blanks.
func (p *Player) StartupPacket(version uint32, parameters string) []byte {
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

// Play plays a script, which needs a client; the transcript goes on in p.Lines.
func (p *Player) Play(script string) error {
	for n, line := range strings.Split(script, "\n") {
		line = strings.TrimLeft(line, " \t")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := p.playLine(line); err != nil {
			return fmt.Errorf("line %d, %q: %w", n+1, line, err)
		}
	}
	return p.Flush()
}

// Flush sends what was collected.
func (p *Player) Flush() error { return p.current.flush(p.Cuts) }

func (p *Player) playLine(line string) error {
	word, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	switch word {
	case "wait":
		if err := p.Flush(); err != nil {
			p.Lines = append(p.Lines, p.current.prefix+ConnectionClosed)
			return nil
		}
		return p.waitFor(rest)
	case "shut":
		if err := p.Flush(); err != nil {
			return err
		}
		return p.current.conn.(*net.TCPConn).CloseWrite()
	case "pause":
		return p.pause()
	case "on":
		if err := p.Flush(); err != nil {
			return err
		}
		return p.On(rest)
	case "dial":
		return p.Dial(rest)
	case "ssl", "gss":
		code := map[string]uint32{"ssl": 80877103, "gss": 80877104}[word]
		p.current.out = binary.BigEndian.AppendUint32(append(p.current.out, 0, 0, 0, 8), code)
		if err := p.Flush(); err != nil {
			return err
		}
		var answer [1]byte
		if _, err := io.ReadFull(p.current.conn, answer[:]); err != nil {
			return err
		}
		p.Lines = append(p.Lines, fmt.Sprintf("%sbyte %q", p.current.prefix, answer[0]))
		return nil
	case "startup":
		version, parameters, _ := strings.Cut(rest, "|")
		var major, minor uint32
		if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil {
			return err
		}
		p.current.out = append(p.current.out, p.StartupPacket(major<<16|minor, parameters)...)
		return nil
	case "raw":
		bytes, err := strconv.Unquote(rest)
		p.current.out = append(p.current.out, bytes...)
		return err
	}
	m, err := Parse(line)
	if err != nil {
		return err
	}
	p.current.out, err = m.Encode(p.current.out)
	return err
}

// waitFor reads messages until one is as wanted.
func (p *Player) waitFor(want string) error {
	if want == "closed" {
		want = ConnectionClosed
	}
	for {
		line := p.current.next(p.Timeout)
		if line == "" {
			return fmt.Errorf("nothing came for %v", p.Timeout)
		}
		p.Lines = append(p.Lines, p.current.prefix+line)
		if line == want || line == ConnectionClosed || strings.HasPrefix(line, want+" ") {
			return nil
		}
	}
}

// quiet is how long nothing comes when a server has said what it has to say.
// Nothing hangs on it: a pause that was too short proves less.
const quiet = 3 * time.Millisecond

// pause reads what comes.
func (p *Player) pause() error {
	_ = p.Flush() // when the connection is gone, the next wait tells
	if p.Expected == nil {
		for line := p.current.next(quiet); line != "" && line != ConnectionClosed; line = p.current.next(quiet) {
			p.Lines = append(p.Lines, p.current.prefix+line)
		}
		p.Paused = append(p.Paused, len(p.Lines))
		return nil
	}
	want := p.Expected[0]
	p.Expected = p.Expected[1:]
	for len(p.Lines) < want {
		line := p.current.next(p.Timeout)
		if line == "" {
			return fmt.Errorf("%d messages came from Postgres by now; through pgseal %d, and no more for %v", want, len(p.Lines), p.Timeout)
		}
		p.Lines = append(p.Lines, p.current.prefix+line)
		if line == ConnectionClosed {
			return nil
		}
	}
	return nil
}

// Conn is the connection of the client that the script is at.
func (p *Player) Conn() *net.TCPConn { return p.current.conn.(*net.TCPConn) }

// Gone tells whether the transcript has the end of that connection.
func (p *Player) Gone() bool { return p.current.gone }

// Send collects bytes for the next Flush, as they are.
func (p *Player) Send(b []byte) { p.current.out = append(p.current.out, b...) }

// Needs is the major version of Postgres that a script says it needs in its first
// line, 0 when any will do.
func Needs(script string) (major int, err error) {
	first, _, _ := strings.Cut(script, "\n")
	word, ok := strings.CutPrefix(first, "# needs Postgres ")
	if !ok {
		return 0, nil
	}
	return strconv.Atoi(word)
}
