package pgtypes

import (
	"fmt"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// SQLSTATEs that only values have.
const (
	codeInvalidParameter = "22023" // invalid_parameter_value
	codeZoneDisplacement = "22009" // invalid_time_zone_displacement_value
	codeDatatypeMismatch = "42804" // datatype_mismatch
	codeInternal         = "XX000" // internal_error
	codeCannotCoerce     = "42846" // cannot_coerce
)

// badSyntax is what Postgres says of a text that is no value of the type.
func badSyntax(code, typ string, text []byte) error {
	return &pgerr.Error{Code: code, Message: fmt.Sprintf("invalid input syntax for type %s: \"%s\"", typ, text), Echoes: true}
}

// BytesLeftOver is the message of the error for a binary value with bytes left
// over. For a parameter Postgres goes on with "in bind parameter N", which a codec
// does not know.
const BytesLeftOver = "incorrect binary data format"

func badBinary() error {
	return &pgerr.Error{Code: pgerr.InvalidBinaryRepresent, Message: BytesLeftOver}
}

// checkSize holds a binary value to the size that its type has.
func checkSize(data []byte, size int) error {
	if len(data) > size {
		return badBinary()
	}
	if len(data) < size {
		return cutShort()
	}
	return nil
}

// cutShort is what Postgres says of a binary value that ends too early
// (pq_copymsgbytes).
func cutShort() error {
	return &pgerr.Error{Code: pgerr.ProtocolViolation, Message: "insufficient data left in message"}
}

// noByteLeft is the same of a value that is read byte by byte (pq_getmsgbyte).
func noByteLeft() error {
	return &pgerr.Error{Code: pgerr.ProtocolViolation, Message: "no data left in message"}
}

func unknownFormat(f Format) error {
	return &pgerr.Error{Code: codeInvalidParameter, Message: fmt.Sprintf("unsupported format code: %d", f)}
}

// notDone is the error for what Postgres can do with a value and pgseal cannot.
func notDone(message, hint, anchor string) error {
	return &pgerr.Error{Code: pgerr.FeatureNotSupported, Message: message, Hint: hint, Anchor: anchor}
}

// Sections of docs/errors.md.
const (
	anchorTypes     = "types"
	anchorEncoding  = "cannot-read"
	anchorOtherType = "other-type"

	anchorNotComputable = "not-computable"
	anchorOrgForm       = "org-form"
)

// notCanonical is the error for opened bytes that are no value of the type: the
// policy's type was changed, or another program sealed them.
func notCanonical(typ string) error {
	return fmt.Errorf("the sealed bytes are not a value of type %s: was the column's type changed in the policy?", typ)
}
