package proxy

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/pgseal/pgseal/internal/copyformat"
	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/rewrite"
)

// copyOut is a COPY TO STDOUT with sealed fields.
type copyOut struct {
	copyRun
	text []byte // scratch: an opened value
}

// beginCopyOut is told that the server sends COPY data.
func (b *backend) beginCopyOut(frame []byte, r *reply) error {
	if st := r.statementOf(); st != nil && st.Copy != nil && !st.Copy.In {
		if st.Copy.Doubtful {
			return b.openFailed(errDoubtfulCopy)
		}
		b.copyOut = &copyOut{copyRun: newCopyRun(st.Copy, b.s.settings.Load(), 0)}
	}
	b.out.relay(frame)
	return nil
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

// appendCopyRow appends a line or row with its sealed fields opened, all else as
// it came.
func (b *backend) appendCopyRow(dst []byte, row copyformat.Row) ([]byte, error) {
	c := b.copyOut
	if row.Header {
		return append(append(dst, row.Raw...), row.End...), nil
	}
	if len(row.Fields) != len(c.plan.Fields) {
		return dst, stalePlan()
	}
	binaryFormat := c.values == pgtypes.Binary
	if binaryFormat {
		dst = append(dst, row.Raw...)
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(row.Fields)))
	}
	for i := range row.Fields {
		if i > 0 && !binaryFormat {
			dst = append(dst, c.options.Delimiter)
		}
		value := &row.Fields[i]
		switch sealed := c.plan.Fields[i].Column != nil && (!value.Null || takesNull(&c.plan.Fields[i])); {
		case !sealed && binaryFormat:
			dst = appendValue(dst, value.Data)
		case !sealed:
			dst = append(dst, value.Raw...)
		default:
			var err error
			if dst, err = b.appendCopyField(dst, &c.plan.Fields[i], value, row.Fields); err != nil {
				return dst, err
			}
		}
	}
	return append(dst, row.End...), nil
}

// appendCopyField appends the opened value of a sealed field.
func (b *backend) appendCopyField(dst []byte, field *rewrite.CopyField, value *copyformat.Field, fields []copyformat.Field) ([]byte, error) {
	c := b.copyOut
	org := ""
	var err error
	switch field.Org.Kind {
	case rewrite.OrgValue:
		org = field.Org.Value
	case rewrite.OrgField:
		if org, err = b.orgOfCopy(&field.Org, &fields[field.Org.Field]); err != nil {
			return dst, err
		}
	}
	canonical, null, err := b.openCopied(field, value, org)
	switch {
	case err != nil:
		return dst, err
	case null && c.values == pgtypes.Binary:
		return appendValue(dst, nil), nil
	case null:
		return append(dst, c.options.Null...), nil
	}
	codec := b.s.server.codecs[field.Column]
	switch {
	case field.Array:
		codec = arrayCodec(field.Type)
	case field.Program != nil:
		codec = field.Program.Codec()
	}
	if c.values == pgtypes.Binary {
		return appendEncoded(dst, codec, canonical, pgtypes.Binary, c.env)
	}
	if c.text, err = codec.Append(emptied(c.text), canonical, pgtypes.Text, c.env); err != nil {
		return dst, err
	}
	return copyformat.AppendField(dst, c.text, &c.options, field.ForceQuote, len(fields) == 1), nil
}

// openCopied opens the value of a sealed field, and computes on it.
func (b *backend) openCopied(field *rewrite.CopyField, value *copyformat.Field, org string) (canonical []byte, null bool, err error) {
	c := b.copyOut
	if field.Array {
		err := b.openArray(value.Data, c.values, field.Column, org, field.Program)
		return b.rows.array.Canonical(), false, err
	}
	if value.Null {
		return b.computeNull(field.Program)
	}
	sealed := value.Data
	if c.values == pgtypes.Text {
		var ok bool
		if sealed, ok = value.DecodeHex(emptied(b.rows.sealed), &c.options); !ok {
			if sealed, err = appendBytea(sealed[:0], value.Data); err != nil {
				return nil, false, damaged(field.Column, err)
			}
		}
		b.rows.sealed = sealed
	}
	return b.openComputed(sealed, field.Column, org, field.Program)
}

// orgOfCopy tells which org a row's sealed fields must have been sealed for, ""
// when its org is NULL.
func (b *backend) orgOfCopy(ref *rewrite.OrgRef, field *copyformat.Field) (string, error) {
	if field.Null {
		return "", nil
	}
	c := b.copyOut
	text, err := pgtypes.AppendText(b.rows.org[:0], field.Data, c.values, ref.TypeOID, c.env)
	if err != nil {
		return "", fmt.Errorf("read the org of a row of COPY: %w", err)
	}
	b.rows.org = text
	return b.internOrg(text), nil
}

// takesNull tells whether another value is made of a field's NULL.
func takesNull(f *rewrite.CopyField) bool {
	return !f.Array && f.Program != nil && f.Program.TakesNull()
}
