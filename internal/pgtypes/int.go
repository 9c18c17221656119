package pgtypes

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// intKind is an integer type. The canonical bytes are big-endian two's
// complement.
type intKind struct {
	size int // in bytes
	name string
}

var (
	int2Kind = intKind{2, "smallint"}
	int4Kind = intKind{4, "integer"}
	int8Kind = intKind{8, "bigint"}
)

// in is pg_strtoint16 and its kin.
func (k intKind) in(dst, text []byte, env *Env) ([]byte, error) {
	if env.otherBases() {
		return k.inAnyBase(dst, text)
	}
	rest := text
	for len(rest) > 0 && isSpace(rest[0]) {
		rest = rest[1:]
	}
	negative := false
	if len(rest) > 0 && (rest[0] == '-' || rest[0] == '+') {
		negative = rest[0] == '-'
		rest = rest[1:]
	}
	if len(rest) == 0 || !isDigit(rest[0]) {
		return dst, badSyntax(pgerr.InvalidTextRepresent, k.name, text)
	}
	var n uint64
	most := uint64(math.MaxInt64)>>(64-8*k.size) + 1 // of a negative number
	for len(rest) > 0 && isDigit(rest[0]) {
		if n > most/10 { // n*10 might not fit
			return dst, k.outOfRange(text)
		}
		n = n*10 + uint64(rest[0]-'0')
		if n > most {
			return dst, k.outOfRange(text)
		}
		rest = rest[1:]
	}
	if len(trim(rest)) > 0 {
		return dst, badSyntax(pgerr.InvalidTextRepresent, k.name, text)
	}
	if n == most && !negative {
		return dst, k.outOfRange(text)
	}
	if negative {
		n = -n
	}
	return k.append(dst, int64(n)), nil
}

func (k intKind) outOfRange(text []byte) error {
	return &pgerr.Error{
		Code: pgerr.NumericOutOfRange, Message: fmt.Sprintf("value \"%s\" is out of range for type %s", text, k.name), Echoes: true,
	}
}

func (k intKind) append(dst []byte, n int64) []byte {
	switch k.size {
	case 2:
		return binary.BigEndian.AppendUint16(dst, uint16(n))
	case 4:
		return binary.BigEndian.AppendUint32(dst, uint32(n))
	}
	return binary.BigEndian.AppendUint64(dst, uint64(n))
}

// fits tells whether n is in the type's range.
func (k intKind) fits(n int64) bool {
	shift := 64 - 8*k.size
	return n<<shift>>shift == n
}

// value reads canonical bytes; false when they are none.
func (k intKind) value(canonical []byte) (n int64, ok bool) {
	if len(canonical) != k.size {
		return 0, false
	}
	switch k.size {
	case 2:
		return int64(int16(binary.BigEndian.Uint16(canonical))), true
	case 4:
		return int64(int32(binary.BigEndian.Uint32(canonical))), true
	}
	return int64(binary.BigEndian.Uint64(canonical)), true
}

func (k intKind) recv(dst, data []byte, _ *Env) ([]byte, error) {
	if err := checkSize(data, k.size); err != nil {
		return dst, err
	}
	return append(dst, data...), nil
}

func (k intKind) out(dst, canonical []byte, _ *Env) ([]byte, error) {
	n, ok := k.value(canonical)
	if !ok {
		return dst, notCanonical(k.name)
	}
	return strconv.AppendInt(dst, n, 10), nil
}

func (k intKind) send(dst, canonical []byte, _ *Env) ([]byte, error) {
	if len(canonical) != k.size {
		return dst, notCanonical(k.name)
	}
	return append(dst, canonical...), nil
}

// oidKind is oid: four bytes without a sign. It is no sealed column's type.
type oidKind struct{}

func (oidKind) in(dst, text []byte, _ *Env) ([]byte, error) {
	n, err := strconv.ParseUint(string(trim(text)), 10, 32)
	if err != nil {
		return dst, badSyntax(pgerr.InvalidTextRepresent, "oid", text)
	}
	return binary.BigEndian.AppendUint32(dst, uint32(n)), nil
}

func (oidKind) recv(dst, data []byte, env *Env) ([]byte, error) { return int4Kind.recv(dst, data, env) }

func (oidKind) out(dst, canonical []byte, _ *Env) ([]byte, error) {
	if len(canonical) != 4 {
		return dst, notCanonical("oid")
	}
	return strconv.AppendUint(dst, uint64(binary.BigEndian.Uint32(canonical)), 10), nil
}

func (oidKind) send(dst, canonical []byte, env *Env) ([]byte, error) {
	return int4Kind.send(dst, canonical, env)
}
