package generator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgseal/pgseal/internal/wirescript"
)

// answerLimit is how long an answer may take.
const answerLimit = 20 * time.Second

// player plays messages to one server.
type player struct {
	conn     net.Conn
	frontend *pgproto3.Frontend
}

func dial(dsn string) (*player, error) {
	ctx, cancel := context.WithTimeout(context.Background(), answerLimit)
	defer cancel()
	conn, err := pgconn.Connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	h, err := conn.Hijack()
	if err != nil {
		return nil, err
	}
	return &player{h.Conn, h.Frontend}, nil
}

func (p *player) close() { _ = p.conn.Close() }

// answer is what a server said to some messages.
type answer struct {
	lines []string
	// anchor is the refusal's section of docs/errors.md, or the SQLSTATE of another error
	// of pgseal's own; "" without one. refusal is the error itself.
	anchor  string
	refusal *pgproto3.ErrorResponse
	done    int // statements that ended before the first error
	code    string
	state   byte // the transaction's, at the end
}

var anchorLink = regexp.MustCompile(`docs/errors\.md#([a-z0-9-]+)`)

// play sends messages and reads until the server is ready as often as it must be.
func (p *player) play(lines []string) (*answer, error) {
	var out []byte
	ready := 0
	for _, line := range lines {
		m, err := wirescript.Parse(line)
		if err != nil {
			return nil, err
		}
		switch m.(type) {
		case *pgproto3.Query, *pgproto3.Sync:
			ready++
		}
		if out, err = m.Encode(out); err != nil {
			return nil, err
		}
	}
	if err := p.conn.SetDeadline(time.Now().Add(answerLimit)); err != nil {
		return nil, err
	}
	if _, err := p.conn.Write(out); err != nil {
		return nil, err
	}
	a := &answer{}
	for ready > 0 {
		m, err := p.frontend.Receive()
		if err != nil {
			return a, fmt.Errorf("%w, after: %s", err, strings.Join(a.lines, "\n"))
		}
		switch m := m.(type) {
		case *pgproto3.ReadyForQuery:
			ready--
			a.state = m.TxStatus
		case *pgproto3.ErrorResponse:
			a.lines = append(a.lines, fmt.Sprintf("E %s %s %s %d", m.Severity, m.Code, m.Message, m.Position))
			if a.code == "" {
				a.code = m.Code
				found := anchorLink.FindStringSubmatch(m.Hint)
				if found != nil {
					a.anchor = found[1]
				} else if strings.HasPrefix(m.Code, "PS") {
					a.anchor = m.Code
				}
				if a.anchor != "" {
					copied := *m
					a.refusal = &copied
				}
			}
			if m.Severity == "FATAL" {
				return a, errors.New("the session ended: " + m.Message)
			}
			continue
		case *pgproto3.CommandComplete, *pgproto3.EmptyQueryResponse:
			if a.code == "" {
				a.done++
			}
		}
		a.lines = append(a.lines, wirescript.Describe(m))
	}
	return a, nil
}
