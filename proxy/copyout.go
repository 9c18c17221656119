package proxy

import (
	"errors"
	"fmt"

	"github.com/pgseal/pgseal/internal/copyformat"
	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/rewrite"
)

// copyOut is a COPY TO STDOUT with sealed fields.
type copyOut struct {
	plan   *rewrite.Copy
	reader copyReader
	fields []copyformat.Field // scratch
	opened []byte             // scratch
}

// beginCopyOut is told that the server sends COPY data.
func (b *backend) beginCopyOut(r *reply) {
	if st := r.statementOf(); st != nil && st.Copy != nil && !st.Copy.In {
		b.copyOut = &copyOut{plan: st.Copy, reader: newCopyReader(st.Copy, 0)}
	}
}

// handleCopyData opens the sealed fields of the lines that the server sends.
func (b *backend) handleCopyData(frame, body []byte) error {
	if b.withhold {
		return nil
	}
	if b.copyOut == nil {
		b.out.relay(frame)
		return nil
	}
	b.copyOut.reader.Feed(body)
	return b.copyRows()
}

// endCopyOut is told that the server has sent all lines.
func (b *backend) endCopyOut() error {
	b.copyOut.reader.End()
	err := b.copyRows()
	b.copyOut = nil
	return err
}

// copyRows sends each line that has come whole as a message of its own, as
// Postgres does.
func (b *backend) copyRows() error {
	for {
		row, ok, err := b.copyOut.reader.Next()
		if err != nil || !ok {
			if err != nil {
				return b.copyOutFailed(err)
			}
			return nil
		}
		dst := b.out.begin()
		at := len(dst)
		dst, err = b.appendCopyRow(beginMessage(dst, 'd'), row)
		if err == nil {
			dst, err = endMessage(dst, at)
		}
		if err != nil {
			b.out.buf = dst[:at]
			return b.copyOutFailed(err)
		}
		b.out.buf = dst
	}
}

// copyOutFailed gives up on the COPY. The server sends no bad data: what does not
// read is of a table that has changed.
func (b *backend) copyOutFailed(err error) error {
	var e *pgerr.Error
	if errors.Is(err, errStalePlan) || errors.As(err, &e) && e.Code == pgerr.BadCopyFileFormat {
		return b.stale()
	}
	return b.openFailed(err)
}

// appendCopyRow appends a line with its sealed fields opened.
func (b *backend) appendCopyRow(dst []byte, row copyformat.Row) ([]byte, error) {
	c := b.copyOut
	if row.Header {
		return append(dst, row.Raw...), nil
	}
	if len(row.Fields) != len(c.plan.Fields) {
		return dst, stalePlan()
	}
	c.fields = append(c.fields[:0], row.Fields...)
	c.opened = emptied(c.opened)
	format := copyValues(c.plan)
	for i := range c.plan.Fields {
		field := &c.plan.Fields[i]
		if field.Column == nil || c.fields[i].Null {
			continue
		}
		column := rowColumn{
			column: field.Column, codec: b.s.server.codecs[field.Column],
			server: format, client: format,
		}
		org := ""
		var err error
		switch field.Org.Kind {
		case rewrite.OrgValue:
			org = field.Org.Value
		case rewrite.OrgField:
			if org, err = b.orgOfCopy(&field.Org, row.Fields[field.Org.Field], format); err != nil {
				return dst, err
			}
		}
		at := len(c.opened)
		if c.opened, err = b.appendOpened(c.opened, row.Fields[i].Data, &column, org); err != nil {
			return dst, err
		}
		value, _, _ := cutValue(c.opened[at:])
		c.fields[i] = copyformat.Field{Data: value, Null: value == nil}
	}
	if format == pgtypes.Binary {
		return copyformat.AppendBinary(dst, copyformat.Row{Raw: row.Raw, Fields: c.fields}), nil
	}
	return copyformat.AppendRow(dst, c.fields, copyOptions(c.plan)), nil
}

// orgOfCopy tells which org a row's sealed fields must have been sealed for, ""
// when its org is NULL.
func (b *backend) orgOfCopy(ref *rewrite.OrgRef, field copyformat.Field, format pgtypes.Format) (string, error) {
	if field.Null {
		return "", nil
	}
	text, err := pgtypes.AppendText(b.rows.org[:0], field.Data, format, ref.TypeOID, b.s.settings.Load().values)
	if err != nil {
		return "", fmt.Errorf("read the org of a row of COPY: %w", err)
	}
	b.rows.org = text
	return string(text), nil
}
