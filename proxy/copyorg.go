package proxy

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/pgseal/pgseal/internal/copyformat"
	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/rewrite"
)

// COPY FROM of rows that don't name their org: the session's goes behind the fields of
// each row, in a column that the server's statement has more than the client's
// (rewrite.Copy.AddsOrg).

// addedOrg gives the org that rows get.
func (f *frontend) addedOrg(c *rewrite.Copy) (string, error) {
	org, err := f.settingOrg(&c.AddsOrg.Org)
	switch {
	case err != nil:
		return "", err
	case !f.s.mayUse(org):
		return "", f.s.mayNotSeal(org, nil)
	case c.Format != rewrite.CopyBinary && (org == c.Null || c.HasDefault && org == c.Default || strings.ContainsAny(org, "\r\n")),
		!ascii(org) && !pgtypes.IsUTF8(f.s.settings.Load().encodingOf(c)):
		return "", errUnwritableOrg
	}
	return org, nil
}

var errUnwritableOrg = &pgerr.Error{
	Code:    pgerr.FeatureNotSupported,
	Message: "the session's org cannot be written into rows of this format",
	Detail:  "It is a marker of the format, has the end of a line in it, or characters that the data's encoding may not have.",
	Hint:    "Copy the org column too.",
	Anchor:  "org-missing",
}

// encodingOf is the encoding of a COPY's text.
func (s *settings) encodingOf(c *rewrite.Copy) string {
	if c.Encoding != "" && c.Format != rewrite.CopyBinary {
		return c.Encoding
	}
	return s.encoding
}

// knowAddedOrg finds the org and its field, once: the setting can't change while a COPY
// goes on.
func (f *frontend) knowAddedOrg(c *copyIn) error {
	if c.added != nil {
		return nil
	}
	org, err := f.addedOrg(c.plan)
	if err != nil {
		return err
	}
	if c.values == pgtypes.Text {
		c.added = copyformat.AppendField([]byte{c.options.Delimiter}, []byte(org), &c.options, true, false)
	} else {
		c.added = appendBinaryOrg(make([]byte, 4), org, c.plan.AddsOrg.Org.TypeOID)
		binary.BigEndian.PutUint32(c.added, uint32(len(c.added)-4))
	}
	c.addedOrg = org
	return nil
}

// appendBinaryOrg appends an org, which is a value of the type, as the type's binary
// form (int2send, int4send, int8send, uuid_send, textsend).
func appendBinaryOrg(dst []byte, org string, typeOID uint32) []byte {
	const oidInt8, oidInt2, oidInt4, oidUUID = 20, 21, 23, 2950
	n, _ := strconv.ParseInt(org, 10, 64)
	switch typeOID {
	case oidInt2:
		return binary.BigEndian.AppendUint16(dst, uint16(n))
	case oidInt4:
		return binary.BigEndian.AppendUint32(dst, uint32(n))
	case oidInt8:
		return binary.BigEndian.AppendUint64(dst, uint64(n))
	case oidUUID:
		dst, _ = hex.AppendDecode(dst, []byte(strings.ReplaceAll(org, "-", "")))
		return dst
	}
	return append(dst, org...)
}

// hideAddedOrg leaves the column of the session's org out of a CopyInResponse: a format
// (1), a count of columns (2), a format for each (2).
func hideAddedOrg(dst, frame []byte) ([]byte, error) {
	at := len(dst)
	dst = append(dst, frame[:len(frame)-2]...)
	count := dst[at+headerSize+1:]
	binary.BigEndian.PutUint16(count, binary.BigEndian.Uint16(count)-1)
	return endMessage(dst, at)
}
