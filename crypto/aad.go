package crypto

import (
	"encoding/binary"
	"fmt"
	"sync"
)

// Bounds of the associated data's parts, in bytes. The policy holds names to
// them too.
const (
	MaxOrg     = 255
	MaxContext = 255
)

const maxAAD = HeaderSize + 2 + MaxOrg + 2 + MaxContext

// appendAAD appends the associated data: the header, then the org and the
// context, each behind its length in bytes as a big-endian uint16.
func appendAAD(dst []byte, h Header, org, context string) []byte {
	dst = h.Append(dst)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(org)))
	dst = append(dst, org...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(context)))
	return append(dst, context...)
}

// scratch lends the memory that associated data is built in: it is passed on
// through an interface, so a local array would be allocated for each value.
var scratch = sync.Pool{New: func() any { return new([maxAAD]byte) }}

func checkOrg(org string) error {
	if n := len(org); n == 0 || n > MaxOrg {
		return fmt.Errorf("org of %d bytes: 1 to %d are allowed", n, MaxOrg)
	}
	return nil
}

func checkContext(context string) error {
	if n := len(context); n == 0 || n > MaxContext {
		return fmt.Errorf("column context of %d bytes: 1 to %d are allowed", n, MaxContext)
	}
	return nil
}
