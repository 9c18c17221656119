package pgtypes

import (
	"fmt"
	"net/netip"
	"strconv"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// inetKind is inet, or cidr. The canonical bytes are the number of bits of the network,
// one byte, and the address, 4 or 16 bytes.
type inetKind struct{ cidr bool }

// Address families of the binary form (PGSQL_AF_INET).
const (
	familyIPv4 = 2
	familyIPv6 = 3
)

func (k inetKind) name() string {
	if k.cidr {
		return "cidr"
	}
	return "inet"
}

// in is network_in.
func (k inetKind) in(dst, text []byte, _ *Env) ([]byte, error) {
	var a inetAddress
	if !a.parse(text, k.cidr) {
		return dst, badSyntax(pgerr.InvalidTextRepresent, k.name(), text)
	}
	if k.cidr && !a.isNetwork() {
		return dst, &pgerr.Error{
			Code: pgerr.InvalidTextRepresent, Message: fmt.Sprintf("invalid cidr value: \"%s\"", text), Detail: hostBits, Echoes: true,
		}
	}
	return a.append(dst), nil
}

const hostBits = "Value has bits set to right of mask."

// inetAddress is an address and the bits of its network.
type inetAddress struct {
	bytes [16]byte
	size  int // 4 or 16
	bits  int
}

func (a *inetAddress) append(dst []byte) []byte {
	return append(append(dst, byte(a.bits)), a.bytes[:a.size]...)
}

// isNetwork tells whether no bit is set behind the network's (addressOK).
func (a *inetAddress) isNetwork() bool {
	for bit := a.bits; bit < 8*a.size; bit++ {
		if a.bytes[bit/8]&(0x80>>(bit%8)) != 0 {
			return false
		}
	}
	return true
}

// recv is network_recv: family, bits, whether it is cidr, the address's size, one byte
// each, and the address.
func (k inetKind) recv(dst, data []byte, _ *Env) ([]byte, error) {
	bad := func(what string) error {
		return &pgerr.Error{Code: pgerr.InvalidBinaryRepresent, Message: fmt.Sprintf("invalid %s in external \"%s\" value", what, k.name())}
	}
	var a inetAddress
	for i := range 4 {
		if i == len(data) {
			return dst, noByteLeft()
		}
		switch c := int(data[i]); {
		case i == 0 && c == familyIPv4:
			a.size = 4
		case i == 0 && c == familyIPv6:
			a.size = 16
		case i == 0:
			return dst, bad("address family")
		case i == 1 && c > 8*a.size:
			return dst, bad("bits")
		case i == 1:
			a.bits = c
		case i == 3 && c != a.size:
			return dst, bad("length")
		}
	}
	if copy(a.bytes[:a.size], data[4:]) < a.size {
		return dst, noByteLeft()
	}
	if k.cidr && !a.isNetwork() {
		return dst, &pgerr.Error{Code: pgerr.InvalidBinaryRepresent, Message: "invalid external \"cidr\" value", Detail: hostBits}
	}
	if len(data) > 4+a.size {
		return dst, badBinary()
	}
	return a.append(dst), nil
}

// address reads canonical bytes; false when they are none.
func (k inetKind) address(canonical []byte) (a inetAddress, ok bool) {
	if len(canonical) != 1+4 && len(canonical) != 1+16 {
		return a, false
	}
	a.bits, a.size = int(canonical[0]), len(canonical)-1
	copy(a.bytes[:], canonical[1:])
	return a, a.bits <= 8*a.size
}

func (k inetKind) out(dst, canonical []byte, _ *Env) ([]byte, error) {
	a, ok := k.address(canonical)
	if !ok {
		return dst, notCanonical(k.name())
	}
	if a.size == 4 {
		dst = netip.AddrFrom4([4]byte(a.bytes[:4])).AppendTo(dst)
	} else {
		dst = a.appendIPv6(dst)
	}
	if k.cidr || a.bits != 8*a.size {
		dst = strconv.AppendInt(append(dst, '/'), int64(a.bits), 10)
	}
	return dst, nil
}

// appendIPv6 writes the longest run of zeros, of two words at least, as ::, and an
// address of IPv4 within as such (inet_net_ntop_ipv6).
func (a *inetAddress) appendIPv6(dst []byte) []byte {
	var words [8]int
	for i := range words {
		words[i] = int(a.bytes[2*i])<<8 | int(a.bytes[2*i+1])
	}
	zeros, length := -1, 1
	for i := 0; i < len(words); i++ {
		from := i
		for i < len(words) && words[i] == 0 {
			i++
		}
		if i-from > length {
			zeros, length = from, i-from
		}
	}
	if zeros < 0 {
		length = 0
	}
	for i := 0; i < len(words); i++ {
		if i == zeros {
			dst = append(dst, ':')
		}
		if zeros >= 0 && i >= zeros && i < zeros+length {
			continue
		}
		if i > 0 {
			dst = append(dst, ':')
		}
		if i == 6 && zeros == 0 && (length == 6 || length == 7 && words[7] != 1 || length == 5 && words[5] == 0xffff) {
			return netip.AddrFrom4([4]byte(a.bytes[12:])).AppendTo(dst)
		}
		dst = strconv.AppendInt(dst, int64(words[i]), 16)
	}
	if zeros >= 0 && zeros+length == len(words) {
		dst = append(dst, ':')
	}
	return dst
}

func (k inetKind) send(dst, canonical []byte, _ *Env) ([]byte, error) {
	a, ok := k.address(canonical)
	if !ok {
		return dst, notCanonical(k.name())
	}
	head := [4]byte{familyIPv4, byte(a.bits), 0, byte(a.size)}
	if a.size == 16 {
		head[0] = familyIPv6
	}
	if k.cidr {
		head[2] = 1
	}
	return append(append(dst, head[:]...), a.bytes[:a.size]...), nil
}

// toInet casts inet and cidr to each other: cidr loses the bits behind the network's
// (cidr_set_masklen_internal).
func toInet(dst, value []byte, from kind, to inetKind) ([]byte, error) {
	source, ok := from.(inetKind)
	if !ok {
		return dst, noCast(from, to)
	}
	a, ok := source.address(value)
	if !ok {
		return dst, notCanonical(source.name())
	}
	if to.cidr {
		for bit := a.bits; bit < 8*a.size; bit++ {
			a.bytes[bit/8] &^= 0x80 >> (bit % 8)
		}
	}
	return a.append(dst), nil
}
