package proxy

import (
	"bytes"
	"strings"
)

// Replication connections. What replicates is sealed, so the stream and the
// commands of the replication protocol are relayed as they are. But a connection
// with replication=database takes SQL in simple Queries as well, and that is
// planned as in every other session. The extended protocol is the server's to
// refuse ("extended query protocol not supported in a replication connection").

// replicates tells whether the start-up packet asks for a replication connection,
// as ProcessStartupPacket reads it.
func (st *startup) replicates() bool {
	value := st.parameters["replication"]
	on, ok := parseBool(value)
	return value == "database" || ok && on
}

// replicationCommands are the first words of the replication protocol's commands
// (repl_scanner.l, replication_scanner_is_replication_command). No statement of
// SQL begins with one of them but SHOW, which holds no value.
var replicationCommands = []string{
	"IDENTIFY_SYSTEM", "SHOW", "TIMELINE_HISTORY", "BASE_BACKUP", "UPLOAD_MANIFEST", "START_REPLICATION",
	"CREATE_REPLICATION_SLOT", "ALTER_REPLICATION_SLOT", "DROP_REPLICATION_SLOT", "READ_REPLICATION_SLOT",
}

// isReplicationCommand tells whether the text of a Query is one command of the
// replication protocol. Text with something behind the semicolon is none: a
// server that refused it would have it, with a statement's values, in its log.
func isReplicationCommand(text []byte) bool {
	const blanks = " \t\n\r\f\v"
	text = bytes.Trim(text, blanks)
	end := bytes.IndexFunc(text, func(r rune) bool { return r != '_' && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') })
	if end < 0 {
		end = len(text)
	}
	rest := bytes.TrimRight(bytes.TrimSuffix(text[end:], []byte(";")), blanks)
	if bytes.IndexByte(rest, ';') >= 0 {
		return false
	}
	for _, command := range replicationCommands {
		if strings.EqualFold(command, string(text[:end])) {
			return true
		}
	}
	return false
}

// relayCommand relays a command of the replication protocol.
func (f *frontend) relayCommand(frame []byte) {
	f.s.server.metrics.Statement(f.outcome)
	f.s.push(reply{kind: replyQuery})
	f.out.relay(frame)
	f.endSegment()
}

// beginCopyBoth is told that from now on data goes both ways, until each side has
// ended its own (CopyBothResponse).
func (b *backend) beginCopyBoth() {
	b.s.mu.Lock()
	b.s.copying = &copyIn{}
	b.s.cond.Broadcast()
	b.s.mu.Unlock()
}

// askSimply asks by a simple Query, the only kind that a replication connection
// takes. There is nothing there that it would disturb: no portal, no unnamed
// statement.
func (f *frontend) askSimply(sql string) ([][]string, error) {
	rows := &ownRows{}
	f.s.push(reply{kind: replyQuery, own: true, rows: rows})
	f.out.buf = appendQuery(f.out.begin(), sql)
	if err := f.out.flush(); err != nil {
		return nil, err
	}
	if err := f.wait(func() bool { return rows.done || f.s.copying != nil }); err != nil {
		return nil, err
	}
	if rows.failed || !rows.done {
		return nil, f.s.notAnswered()
	}
	return rows.rows, nil
}
