package pgtypes

import (
	"encoding/hex"
	"fmt"
	"math"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// macaddrKind is macaddr. The canonical bytes are its six bytes.
type macaddrKind struct{}

// macaddrForms are the ways to write one: the width of a number, zero for any, and what
// stands behind each but the last (macaddr_in).
var macaddrForms = []struct {
	width      int
	separators string // a blank: nothing
}{
	{0, ":::::"}, {0, "-----"}, {2, "  :  "}, {2, "  -  "}, {2, " . . "}, {2, " - - "}, {2, "     "},
}

func (macaddrKind) in(dst, text []byte, _ *Env) ([]byte, error) {
	for _, form := range macaddrForms {
		octets, ok := scanMacaddr(text, form.width, form.separators)
		if !ok {
			continue
		}
		for _, octet := range octets {
			if octet < 0 || octet > 255 {
				return dst, &pgerr.Error{
					Code: pgerr.NumericOutOfRange, Message: fmt.Sprintf("invalid octet value in \"macaddr\" value: \"%s\"", text), Echoes: true,
				}
			}
		}
		for _, octet := range octets {
			dst = append(dst, byte(octet))
		}
		return dst, nil
	}
	return dst, badSyntax(pgerr.InvalidTextRepresent, "macaddr", text)
}

func scanMacaddr(text []byte, width int, separators string) (octets [6]int32, ok bool) {
	for i := range octets {
		if octets[i], text, ok = scanHex(text, width); !ok {
			return octets, false
		}
		if i < len(separators) && separators[i] != ' ' {
			if len(text) == 0 || text[0] != separators[i] {
				return octets, false
			}
			text = text[1:]
		}
	}
	return octets, len(trim(text)) == 0
}

// scanHex reads a number as %x of C's sscanf does: behind blanks, with a sign, with 0x.
func scanHex(text []byte, width int) (n int32, rest []byte, ok bool) {
	for len(text) > 0 && isSpace(text[0]) {
		text = text[1:]
	}
	end := len(text)
	if width > 0 {
		end = min(end, width)
	}
	i, negative := 0, false
	if i < end && (text[i] == '-' || text[i] == '+') {
		negative = text[i] == '-'
		i++
	}
	digits := 0
	if i+1 < end && text[i] == '0' && text[i+1]|0x20 == 'x' {
		i, digits = i+2, 1 // what follows may be nothing
	}
	value := uint64(0)
	for ; i < end && hexDigits[text[i]] >= 0; i++ {
		digits++
		if value > math.MaxUint64>>4 {
			value = math.MaxUint64
			continue
		}
		value = value<<4 | uint64(hexDigits[text[i]])
	}
	if negative && value != math.MaxUint64 {
		value = -value
	}
	return int32(value), text[i:], digits > 0
}

func (macaddrKind) recv(dst, data []byte, _ *Env) ([]byte, error) {
	if len(data) < 6 {
		return dst, noByteLeft()
	}
	if len(data) > 6 {
		return dst, badBinary()
	}
	return append(dst, data...), nil
}

func (macaddrKind) out(dst, canonical []byte, _ *Env) ([]byte, error) {
	if len(canonical) != 6 {
		return dst, notCanonical("macaddr")
	}
	for i := range canonical {
		if i > 0 {
			dst = append(dst, ':')
		}
		dst = hex.AppendEncode(dst, canonical[i:i+1])
	}
	return dst, nil
}

func (macaddrKind) send(dst, canonical []byte, _ *Env) ([]byte, error) {
	if len(canonical) != 6 {
		return dst, notCanonical("macaddr")
	}
	return append(dst, canonical...), nil
}
