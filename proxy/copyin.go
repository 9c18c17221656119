package proxy

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/pgseal/pgseal/internal/copyformat"
	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/rewrite"
)

// copyIn is a COPY FROM STDIN whose data the server waits for. The backend makes
// it when the server asks for the data; the frontend works on it.
type copyIn struct {
	copyRun         // plan is nil when the data is relayed
	extended bool   // an Execute's
	failed   bool   // what the client still sends is dropped
	raw      bool   // values must be sealed already
	column   string // whose value does not read, for the error's context
	org      string // of the row at hand, if haveOrg
	haveOrg  bool

	added    []byte // the session's org as a field behind those of a row, if it is added
	addedOrg string

	// Guarded by the session's lock.
	syncs int  // that were held back
	over  bool // the client has gone on to something else
}

// beginCopyIn is told that the server asks for COPY data.
func (b *backend) beginCopyIn(frame []byte, r *reply) error {
	c := &copyIn{extended: r.kind == replyExecute}
	if st := r.statementOf(); st != nil && st.Copy != nil && st.Copy.In {
		c.copyRun = newCopyRun(st.Copy, b.s.settings.Load(), b.s.server.config.Limits.MessageBytes)
		c.raw = st.Raw
	}
	b.s.mu.Lock()
	b.s.replies.copyIn()
	b.s.copying = c
	b.s.cond.Broadcast()
	b.s.mu.Unlock()
	if c.plan == nil || c.plan.AddsOrg == nil || len(frame) < headerSize+5 {
		b.out.relay(frame)
		return nil
	}
	dst, err := hideAddedOrg(b.out.begin(), frame)
	b.out.buf = dst
	return err
}

// beforeData makes sure which COPY the client's data is for: the server's word
// for it may still be under way. When there is none, f.copy is nil.
func (f *frontend) beforeData() error {
	if f.copy != nil {
		return nil
	}
	if err := f.flushUpstream(); err != nil {
		return err
	}
	err := f.wait(func() bool {
		if c := f.s.copying; c != nil && !c.over {
			f.copy = c
		}
		return f.copy != nil || f.s.replies.n == 0 || f.s.replies.skipping
	})
	if f.copy != nil {
		f.open = f.open || f.copy.extended // a Sync since the Execute was ignored
	}
	return err
}

// handleCopy handles CopyData, CopyDone and CopyFail. Outside of a COPY they are
// dropped, as the server does (PostgresMain): they are the rest of one that
// failed.
func (f *frontend) handleCopy(typ byte, frame, body []byte) error {
	if err := f.beforeData(); err != nil {
		return err
	}
	c := f.copy
	if c == nil {
		return nil
	}
	if err := f.sendHeldSyncs(c, true); err != nil {
		return err
	}
	if typ == 'd' && c.plan == nil {
		f.out.relay(frame)
		return nil
	}
	if typ == 'd' {
		return f.copyData(body)
	}
	if typ == 'c' && c.plan != nil && !c.failed {
		if err := f.copyRows(c, nil, true); err != nil {
			return f.failCopy(c, err)
		}
	}
	f.copy = nil
	f.s.mu.Lock()
	if f.s.copying == c {
		f.s.copying = nil
	}
	f.s.mu.Unlock()
	if !c.failed {
		f.out.relay(frame)
	}
	return nil
}

// copyData seals the rows in a piece of data. Those of a COPY that has failed are
// dropped.
func (f *frontend) copyData(data []byte) error {
	c := f.copy
	if c.failed {
		return nil
	}
	if err := f.copyRows(c, data, false); err != nil {
		return f.failCopy(c, err)
	}
	return nil
}

// afterData handles the change from COPY data to another message. Flush and Sync
// end no COPY.
func (f *frontend) afterData(typ byte) error {
	c := f.copy
	f.s.mu.Lock()
	goesOn := f.s.copying == c
	if goesOn && typ != 'H' && typ != 'S' {
		// The server ends the session for it, unless it has failed the COPY.
		c.over, goesOn = true, false
	}
	f.s.mu.Unlock()
	if goesOn {
		return nil
	}
	f.copy = nil
	return f.sendHeldSyncs(c, false)
}

// pushSync expects the reply to a Sync that is about to be sent, or holds the Sync
// back.
//
// The server ignores a Sync as long as a COPY goes on (CopyGetData), but it may
// have failed by now, and then it answers it. Is more data sent, then the Sync
// counts as ignored; that is right unless the server had failed before, which the
// client, too, did not know. When the server is heard to have failed, the Sync is
// sent.
func (f *frontend) pushSync() (held bool) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	if c := f.s.copying; c != nil && !c.over {
		c.syncs++
		f.copy = c
		return true
	}
	f.s.replies.push(reply{kind: replySync})
	return false
}

// sendHeldSyncs sends the Syncs that a COPY held back when it has failed, or when
// the client sends something else than its data; with more data they are
// forgotten.
func (f *frontend) sendHeldSyncs(c *copyIn, moreData bool) error {
	if c == nil {
		return nil
	}
	f.s.mu.Lock()
	n := c.syncs
	c.syncs = 0
	if moreData && f.s.copying == c && !c.over {
		n = 0
	}
	f.s.mu.Unlock()
	for range n {
		if err := f.handleSync(syncMessage); err != nil {
			return err
		}
	}
	return nil
}

var syncMessage = []byte{'S', 0, 0, 0, 4}

// failCopy makes the server fail the COPY, with pgseal's error.
func (f *frontend) failCopy(c *copyIn, err error) error {
	refusal := asClientError(err)
	f.refused(refusal)
	c.failed = true
	f.s.mu.Lock()
	if f.s.copying == c {
		// The server waits for data: the reply that it owes is the COPY's. With
		// CopyFail it waits no more.
		f.s.replies.front().refusal = refusal
		f.s.copying = nil
	}
	f.s.mu.Unlock()
	dst := f.out.begin()
	at := len(dst)
	dst = append(append(beginMessage(dst, 'f'), marker...), 0)
	dst, err = endMessage(dst, at)
	f.out.buf = dst
	return err
}

// copyRows seals the rows that have come whole, and sends them on: also those
// before one that cannot be sealed, in which the server may find an error that
// comes first.
func (f *frontend) copyRows(c *copyIn, data []byte, last bool) error {
	if c.plan.Doubtful {
		return errDoubtfulCopy
	}
	c.reader.Feed(data)
	if last {
		c.reader.End()
	}
	dst := f.out.begin()
	start := len(dst)
	dst = beginMessage(dst, 'd')
	empty := len(dst)
	var failure error
	for {
		row, ok, err := c.reader.Next()
		if err != nil {
			c.column = ""
			failure = f.copyError(c, err)
			break
		}
		if !ok {
			break
		}
		if dst, err = f.appendCopyRow(dst, c, row); err != nil {
			failure = f.copyError(c, err)
			break
		}
	}
	if len(dst) == empty {
		f.out.buf = dst[:start]
		return failure
	}
	dst, err := endMessage(dst, start)
	f.out.buf = dst
	if failure == nil {
		failure = err
	}
	return failure
}

// appendCopyRow appends a line or row of COPY FROM with its sealed fields sealed,
// all else as it came. A field that cannot be sealed, and those behind it, go out
// as a value that the type pgseal.sealed refuses, and the error is returned: the
// server reads a line from the left (NextCopyFrom), and what it finds first is the
// client's error. A line with too few fields, or too many, does not go out: which
// of them are to be sealed is not sure.
func (f *frontend) appendCopyRow(dst []byte, c *copyIn, row copyformat.Row) ([]byte, error) {
	c.column, c.haveOrg = "", false
	binaryFormat := c.values == pgtypes.Binary
	switch {
	case row.Header && binaryFormat:
		return append(dst, row.Raw...), nil
	case row.Header:
		return c.appendHeader(dst, row)
	case len(row.Fields) > len(c.plan.Fields):
		return dst, &pgerr.Error{Code: pgerr.BadCopyFileFormat, Message: "extra data after last expected column"}
	case len(row.Fields) < len(c.plan.Fields):
		return dst, &pgerr.Error{Code: pgerr.BadCopyFileFormat, Message: fmt.Sprintf("missing data for column %q", c.plan.Fields[len(row.Fields)].Name)}
	}
	if c.plan.AddsOrg != nil {
		if err := f.knowAddedOrg(c); err != nil {
			return dst, err
		}
	}
	if binaryFormat {
		dst = append(dst, row.Raw...)
		count := len(row.Fields)
		if c.plan.AddsOrg != nil {
			count++
		}
		dst = binary.BigEndian.AppendUint16(dst, uint16(count))
	}
	var failure error
	for i := range row.Fields {
		field := &c.plan.Fields[i]
		if i > 0 && !binaryFormat {
			dst = append(dst, c.options.Delimiter)
		}
		value := c.value(row.Fields, i)
		switch {
		case (field.Column == nil || value.Null || value.Default) && binaryFormat:
			dst = appendValue(dst, value.Data)
		case field.Column == nil || value.Null || value.Default:
			dst = append(dst, value.Raw...)
		default:
			sealed := notSealed
			if failure == nil {
				f.scratch, failure = f.sealField(emptied(f.scratch), c, field, row.Fields, value)
				if failure == nil {
					sealed = f.scratch
				} else if c.skips(failure) {
					failure = nil
				}
			}
			if binaryFormat {
				dst = appendValue(dst, sealed)
			} else {
				dst = copyformat.AppendHex(dst, sealed, &c.options)
			}
		}
	}
	return append(append(dst, c.added...), row.End...), failure
}

// value is a field as COPY takes it: FORCE_NULL and FORCE_NOT_NULL turn NULL into
// a value, and back.
func (c *copyIn) value(fields []copyformat.Field, i int) copyformat.Field {
	field := &c.plan.Fields[i]
	if !field.ForceNull && !field.ForceNotNull {
		return fields[i]
	}
	return fields[i].Forced(&c.options, field.ForceNotNull, field.ForceNull)
}

// sealField appends the sealed value of a field.
func (f *frontend) sealField(dst []byte, c *copyIn, field *rewrite.CopyField, fields []copyformat.Field, value copyformat.Field) ([]byte, error) {
	if c.raw {
		c.column = field.Name
		return appendPassed(dst, value.Data, c.values, field.Column)
	}
	if !c.haveOrg { // the same for all fields of the row
		org, err := f.copyOrg(c, &field.Org, fields)
		if err != nil {
			return dst, err
		}
		c.org, c.haveOrg = org, true
	}
	c.column = field.Name
	if err := f.seal.canonicalize(value.Data, c.values, field.Column, c.env); err != nil {
		return dst, err
	}
	c.column = ""
	return f.seal.seal(dst, field.Column, c.org)
}

// notSealed is a value that the type pgseal.sealed refuses.
var notSealed = []byte{0, 0, 0}

// skips tells whether a value's error makes COPY skip the row, by ON_ERROR ignore.
// The server skips it, counts it and tells of it: it is sent one that it cannot
// store either. Text that is not of its encoding is an error all the same.
func (c *copyIn) skips(err error) bool {
	e := asClientError(err)
	return c.plan.IgnoreErrors && strings.HasPrefix(e.Code, "22") && e.Code != pgerr.CharacterNotInRepertory
}

// appendHeader appends the header line. One that the server would only skip it
// need not see: it may be a row, by mistake. One that must match is compared here,
// since the server's error would quote it.
func (c *copyIn) appendHeader(dst []byte, row copyformat.Row) ([]byte, error) {
	if c.options.Header == copyformat.SkipHeader {
		return append(dst, row.End...), nil
	}
	bad := func(format string, args ...any) ([]byte, error) {
		return dst, &pgerr.Error{Code: pgerr.BadCopyFileFormat, Message: fmt.Sprintf(format, args...), Echoes: true}
	}
	if len(row.Fields) != len(c.plan.Fields) {
		return bad("wrong number of fields in header line: got %d, expected %d", len(row.Fields), len(c.plan.Fields))
	}
	for i := range row.Fields {
		name := c.plan.Fields[i].Name
		switch got := &row.Fields[i]; {
		case got.Null:
			return bad("column name mismatch in header line field %d: got null value (\"%s\"), expected \"%s\"", i+1, c.plan.Null, name)
		case !c.isName(got.Data, name):
			return bad("column name mismatch in header line field %d: got \"%s\", expected \"%s\"", i+1, got.Data, name)
		}
	}
	dst = append(dst, row.Raw...)
	if added := c.plan.AddsOrg; added != nil {
		dst = copyformat.AppendField(append(dst, c.options.Delimiter), []byte(added.Name), &c.options, true, false)
	}
	return append(dst, row.End...), nil
}

// isName tells whether a field is a column's name, which the plan has in UTF-8.
func (c *copyIn) isName(field []byte, name string) bool {
	text, err := pgtypes.AppendText(nil, field, pgtypes.Text, oidText, c.env)
	return err == nil && string(text) == name
}

// copyOrg finds the org of a row's sealed fields.
func (f *frontend) copyOrg(c *copyIn, ref *rewrite.OrgRef, fields []copyformat.Field) (string, error) {
	switch {
	case c.added != nil:
		return c.addedOrg, nil
	case ref.Kind != rewrite.OrgField:
		return f.orgOf(ref, nil)
	}
	org := c.value(fields, ref.Field)
	if org.Null || org.Default {
		return "", errOrgMissing
	}
	text, err := pgtypes.AppendText(f.orgScratch[:0], org.Data, c.values, ref.TypeOID, c.env)
	if err != nil {
		c.column = c.plan.Fields[ref.Field].Name
		return "", err
	}
	f.orgScratch = text
	return f.internOrg(text), nil
}

// copyError tells the line and, of a bad value, the column, as Postgres does
// (CopyFromErrorCallback), but not what is in it.
func (f *frontend) copyError(c *copyIn, err error) error {
	e := *asClientError(err)
	line := c.reader.Line()
	switch {
	case line == 0: // the binary format's header
	case c.column != "" && e.Code != pgerr.CharacterNotInRepertory:
		e.Where = fmt.Sprintf("COPY %s, line %d, column %s", c.plan.Table, line, c.column)
	default:
		e.Where = fmt.Sprintf("COPY %s, line %d", c.plan.Table, line)
	}
	return &e
}
