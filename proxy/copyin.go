package proxy

import (
	"encoding/hex"
	"fmt"

	"github.com/pgseal/pgseal/internal/copyformat"
	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/rewrite"
)

// copyIn is a COPY FROM STDIN whose data the server waits for. The backend makes
// it when the server asks for the data; the frontend works on it.
type copyIn struct {
	plan    *rewrite.Copy // nil: the data is relayed
	table   string
	reader  copyReader
	fields  []copyformat.Field // scratch
	sealed  []byte             // scratch
	refusal *pgerr.Error       // why pgseal made the COPY fail; guarded by the session's lock
	failed  bool               // what the client still sends is dropped
}

// beginCopyIn is told that the server asks for COPY data.
func (b *backend) beginCopyIn(r *reply) {
	c := &copyIn{}
	if st := r.statementOf(); st != nil && st.Copy != nil && st.Copy.In {
		c.plan = st.Copy
		for i := range c.plan.Fields {
			if column := c.plan.Fields[i].Column; column != nil {
				c.table = column.Table.Name
			}
		}
		c.reader = newCopyReader(st.Copy, b.s.server.config.Limits.MessageBytes)
	}
	b.s.mu.Lock()
	b.s.replies.copyIn()
	b.s.copying = c
	b.s.cond.Broadcast()
	b.s.mu.Unlock()
}

// copyReader is a *copyformat.Reader or a *copyformat.BinaryReader.
type copyReader interface {
	Feed(chunk []byte)
	End()
	Next() (row copyformat.Row, ok bool, err error)
	Line() int
}

func newCopyReader(c *rewrite.Copy, limit int) copyReader {
	if c.Format == rewrite.CopyBinary {
		return copyformat.NewBinaryReader(len(c.Fields), limit)
	}
	return copyformat.NewReader(copyOptions(c), limit)
}

// copyValues is the format of the values in COPY's fields.
func copyValues(c *rewrite.Copy) pgtypes.Format {
	if c.Format == rewrite.CopyBinary {
		return pgtypes.Binary
	}
	return pgtypes.Text
}

// copyOptions are the options of COPY in text and csv.
func copyOptions(c *rewrite.Copy) copyformat.Options {
	return copyformat.Options{
		CSV: c.Format == rewrite.CopyCSV, Delimiter: c.Delimiter, Quote: c.Quote, Escape: c.Escape,
		Null: c.Null, Header: c.Header,
	}
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
	return f.wait(func() bool {
		f.copy = f.s.copying
		return f.copy != nil || f.s.replies.n == 0 || f.s.replies.skipping
	})
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
	if f.s.copying == c && c.refusal == nil {
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

// copyGoesOn tells whether the server still reads COPY data, as far as is known.
func (f *frontend) copyGoesOn() bool {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	return !f.copy.failed && f.s.copying == f.copy
}

// failCopy makes the server fail the COPY, with pgseal's error.
func (f *frontend) failCopy(c *copyIn, err error) error {
	refusal := asClientError(err)
	f.refused(refusal)
	c.failed = true
	f.s.mu.Lock()
	c.refusal = refusal
	f.s.mu.Unlock()
	dst := f.out.begin()
	at := len(dst)
	dst = append(append(beginMessage(dst, 'f'), marker...), 0)
	dst, err = endMessage(dst, at)
	f.out.buf = dst
	return err
}

// copyRows seals the rows that have come whole, and sends them on.
func (f *frontend) copyRows(c *copyIn, data []byte, last bool) error {
	c.reader.Feed(data)
	if last {
		c.reader.End()
	}
	dst := f.out.begin()
	start := len(dst)
	dst = beginMessage(dst, 'd')
	empty := len(dst)
	var err error
	for {
		var row copyformat.Row
		var ok bool
		if row, ok, err = c.reader.Next(); err != nil || !ok {
			break
		}
		at := len(dst)
		if dst, err = f.appendCopyRow(dst, c, row); err != nil {
			dst = dst[:at]
			break
		}
	}
	if err != nil {
		f.out.buf = dst[:start]
		return f.copyError(c, err)
	}
	if len(dst) == empty {
		f.out.buf = dst[:start]
		return nil
	}
	dst, err = endMessage(dst, start)
	f.out.buf = dst
	return err
}

// appendCopyRow appends a line of COPY FROM with its sealed fields sealed.
func (f *frontend) appendCopyRow(dst []byte, c *copyIn, row copyformat.Row) ([]byte, error) {
	if row.Header {
		return append(dst, row.Raw...), nil
	}
	if len(row.Fields) < len(c.plan.Fields) {
		return dst, &pgerr.Error{Code: pgerr.BadCopyFileFormat, Message: "missing data for a column of COPY: the line has too few fields"}
	}
	if len(row.Fields) > len(c.plan.Fields) {
		return dst, &pgerr.Error{Code: pgerr.BadCopyFileFormat, Message: "extra data after last expected column"}
	}
	c.fields = append(c.fields[:0], row.Fields...)
	c.sealed = emptied(c.sealed)
	format := copyValues(c.plan)
	for i := range c.plan.Fields {
		field := &c.plan.Fields[i]
		if field.Column == nil || c.fields[i].Null {
			continue
		}
		org, err := f.copyOrg(c, field)
		if err != nil {
			return dst, err
		}
		sealed, err := f.seal.sealParam(emptied(f.scratch), c.fields[i].Data, format, 0, field.Column, org)
		if err != nil {
			return dst, err
		}
		f.scratch = sealed
		at := len(c.sealed)
		if format == pgtypes.Binary {
			c.sealed = append(c.sealed, sealed...)
		} else {
			c.sealed = append(c.sealed, `\x`...)
			c.sealed = hex.AppendEncode(c.sealed, sealed)
		}
		c.fields[i].Data = c.sealed[at:]
	}
	if format == pgtypes.Binary {
		return copyformat.AppendBinary(dst, copyformat.Row{Raw: row.Raw, Fields: c.fields}), nil
	}
	return copyformat.AppendInput(dst, c.fields, copyOptions(c.plan)), nil
}

// copyOrg finds the org of a line's sealed field.
func (f *frontend) copyOrg(c *copyIn, field *rewrite.CopyField) (string, error) {
	if field.Org.Kind != rewrite.OrgField {
		return f.orgOf(&field.Org, nil)
	}
	org := c.fields[field.Org.Field]
	if org.Null {
		return "", errOrgMissing
	}
	text, err := pgtypes.AppendText(f.orgScratch[:0], org.Data, copyValues(c.plan), field.Org.TypeOID, f.s.settings.Load().values)
	if err != nil {
		return "", err
	}
	f.orgScratch = text
	return f.internOrg(text), nil
}

// copyError tells the line, as Postgres does (CopyFromErrorCallback), but not what
// is in it.
func (f *frontend) copyError(c *copyIn, err error) error {
	e := *asClientError(err)
	if line := c.reader.Line(); line > 0 { // not in the binary format's header
		e.Where = fmt.Sprintf("COPY %s, line %d", c.table, line)
	}
	return &e
}
