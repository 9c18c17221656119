package proxy

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/pgseal/pgseal/internal/pgexpr"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/policy"
	"github.com/pgseal/pgseal/rewrite"
)

// rowReader knows what is to be done with the rows that come.
type rowReader struct {
	known bool
	plan  *rowPlan // nil: rows are relayed
	orgs  []string // by position in plan.columns; "" when not known
	own   *ownRows // rows of pgseal's own question

	offsets []int    // scratch
	fields  [][]byte // scratch: a row's fields
	sealed  []byte   // scratch: a sealed value out of its text form
	org     []byte   // scratch

	computed pgexpr.Scratch
	array    pgtypes.Array

	lastOrg string // as text, see internOrg
}

// reset ends a result.
func (r *rowReader) reset() { r.known, r.plan, r.orgs, r.own = false, nil, nil, nil }

// begin is told of a simple Query's RowDescription.
func (r *rowReader) begin(s *session, rep *reply, st *rewrite.Statement) {
	r.reset()
	r.known = true
	if st == nil || rep.query == nil {
		return
	}
	r.plan = s.server.rowPlan(st, func(int) (client, server pgtypes.Format) { return pgtypes.Text, pgtypes.Text })
	if r.plan != nil {
		r.orgs = knownOrgs(st.Outputs)
	}
}

// find looks up whose rows come, for the first row of an Execute.
func (r *rowReader) find(s *session) {
	if r.known {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.known = true
	if rep := s.replies.front(); rep != nil && (rep.kind == replyExecute || rep.own) {
		r.own = rep.rows
		if p := rep.portal; p != nil {
			r.plan, r.orgs = p.rows, p.orgs
			if p.fetched != nil {
				r.plan, r.orgs = p.fetched.rows, p.fetched.orgs
			}
		}
	}
}

// handleDataRow opens a row's sealed fields.
func (b *backend) handleDataRow(frame, body []byte) error {
	b.rows.find(b.s)
	switch {
	case b.rows.own != nil:
		row, err := decodeRow(body)
		if err != nil {
			return err
		}
		b.s.mu.Lock()
		b.rows.own.rows = append(b.rows.own.rows, row)
		b.s.mu.Unlock()
		return nil
	case b.withhold:
		return nil
	case b.rows.plan == nil:
		b.out.relay(frame)
		return nil
	}
	dst := b.out.begin()
	at := len(dst)
	dst, err := b.appendRow(dst, body)
	if err == nil {
		dst, err = endMessage(dst, at)
	}
	if err != nil {
		b.out.buf = dst[:at]
		if errors.Is(err, errStalePlan) {
			return b.stale()
		}
		return b.openFailed(err)
	}
	b.out.buf = dst
	return nil
}

// appendRow appends the row with its sealed fields opened.
func (b *backend) appendRow(dst, body []byte) ([]byte, error) {
	plan := b.rows.plan
	fields := b.rows.fields[:0]
	if len(body) < 2 || int(binary.BigEndian.Uint16(body)) != plan.fields {
		return dst, errStalePlan
	}
	rest := body[2:]
	for range plan.fields {
		field, after, ok := cutValue(rest)
		if !ok {
			return dst, errStalePlan
		}
		fields, rest = append(fields, field), after
	}
	b.rows.fields = fields
	dst = beginMessage(dst, 'D')
	dst = append(dst, body[:2]...)
	next := 0 // the first field not appended yet
	for i := range plan.columns {
		c := &plan.columns[i]
		for ; next < c.index; next++ {
			dst = appendValue(dst, fields[next])
		}
		next++
		if fields[c.index] == nil && (c.array || c.program == nil || !c.program.TakesNull()) {
			dst = appendValue(dst, nil)
			continue
		}
		org, err := b.orgOfField(c, i)
		if err != nil {
			return dst, err
		}
		if dst, err = b.appendOpened(dst, fields[c.index], c, org); err != nil {
			return dst, err
		}
	}
	for ; next < len(fields); next++ {
		dst = appendValue(dst, fields[next])
	}
	return dst, nil
}

// orgOfField tells which org a field must have been sealed for, "" when the
// statement does not tell.
func (b *backend) orgOfField(c *rowColumn, i int) (string, error) {
	if c.org.Kind != rewrite.OrgField {
		return b.rows.orgs[i], nil
	}
	field := b.rows.fields[c.org.Field]
	if field == nil {
		return "", nil
	}
	text, err := pgtypes.AppendText(b.rows.org[:0], field, c.orgFormat, c.org.TypeOID, b.s.settings.Load().values)
	if err != nil {
		return "", fmt.Errorf("read the org of a row of %s: %w", c.column.Table.QualifiedName(), err)
	}
	b.rows.org = text
	return b.internOrg(text), nil
}

// appendOpened appends the value of a sealed field, behind its length, in the
// format that the client asked for.
func (b *backend) appendOpened(dst, field []byte, c *rowColumn, org string) ([]byte, error) {
	if c.array {
		if err := b.openArray(field, c.server, c.column, org, c.program); err != nil {
			return dst, err
		}
		return appendEncoded(dst, c.codec, b.rows.array.Canonical(), c.client, b.s.settings.Load().values)
	}
	value, null, err := b.openField(field, c, org)
	if err != nil {
		return dst, err
	}
	if null {
		return appendValue(dst, nil), nil
	}
	return appendEncoded(dst, c.codec, value, c.client, b.s.settings.Load().values)
}

// openField opens a sealed field, and computes on it or on its NULL.
func (b *backend) openField(field []byte, c *rowColumn, org string) (value []byte, null bool, err error) {
	if field == nil {
		return b.computeNull(c.program)
	}
	sealed := field
	if c.server == pgtypes.Text {
		if sealed, err = appendBytea(emptied(b.rows.sealed), field); err != nil {
			return nil, false, damaged(c.column, err)
		}
		b.rows.sealed = sealed
	}
	return b.openComputed(sealed, c.column, org, c.program)
}

// appendEncoded appends a value in a format, behind its length.
func appendEncoded(dst []byte, codec pgtypes.Codec, canonical []byte, f pgtypes.Format, env *pgtypes.Env) ([]byte, error) {
	at := len(dst)
	dst, err := codec.Append(append(dst, 0, 0, 0, 0), canonical, f, env)
	if err != nil {
		return dst, err
	}
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst, nil
}

// openComputed gives the canonical bytes of what a program makes of a sealed value,
// nil for the value itself, or what the policy shows for one that cannot be opened:
// nothing is computed of a mask. They hold until the next call.
func (b *backend) openComputed(sealed []byte, c *policy.Column, org string, program *pgexpr.Program) (canonical []byte, null bool, err error) {
	err = b.open.open(sealed, c, org)
	switch {
	case err == nil && program == nil:
		return b.open.plain, false, nil
	case err == nil:
		return program.Run(&b.rows.computed, b.open.plain, false, b.s.settings.Load().literals)
	case unreadable(err) && (c.OnUnreadable == policy.OnUnreadableNull || c.OnUnreadable == policy.OnUnreadableMask && program != nil):
		b.s.server.metrics.NotOpened(asClientError(err).Code)
		return nil, true, nil
	case unreadable(err) && c.OnUnreadable == policy.OnUnreadableMask:
		b.s.server.metrics.NotOpened(asClientError(err).Code)
		return b.s.server.masks[c], false, nil
	}
	return nil, false, err
}

// computeNull gives what a program that takes NULL makes of it.
func (b *backend) computeNull(program *pgexpr.Program) (canonical []byte, null bool, err error) {
	return program.Run(&b.rows.computed, nil, true, b.s.settings.Load().literals)
}

// internOrg gives the org as a string, without an allocation for one that the
// rows had last.
func (b *backend) internOrg(text []byte) string {
	if string(text) != b.rows.lastOrg {
		b.rows.lastOrg = string(text)
	}
	return b.rows.lastOrg
}

// appendBytea appends what a bytea's text form means, hex or escape, whichever
// bytea_output the session has (byteain).
func appendBytea(dst, text []byte) ([]byte, error) {
	if digits, ok := bytes.CutPrefix(text, []byte(`\x`)); ok {
		return hex.AppendDecode(dst, digits)
	}
	for i := 0; i < len(text); {
		switch {
		case text[i] != '\\':
			dst = append(dst, text[i])
			i++
		case i+1 < len(text) && text[i+1] == '\\':
			dst = append(dst, '\\')
			i += 2
		case i+3 < len(text) && isOctal(text[i+1:i+4]):
			dst = append(dst, (text[i+1]-'0')<<6|(text[i+2]-'0')<<3|(text[i+3]-'0'))
			i += 4
		default:
			return dst, errors.New("not a bytea value")
		}
	}
	return dst, nil
}

func isOctal(d []byte) bool {
	return d[0] >= '0' && d[0] <= '3' && d[1] >= '0' && d[1] <= '7' && d[2] >= '0' && d[2] <= '7'
}
