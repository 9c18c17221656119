package proxy

import (
	"encoding/binary"

	"github.com/pgseal/pgseal/internal/pgtypes"
)

// bindMessage is a Bind taken apart, in place.
type bindMessage struct {
	portal, statement []byte
	paramFormats      []byte   // two bytes each
	count             int      // of values, as the message tells it
	values            [][]byte // nil is NULL
	resultFormats     []byte   // two bytes each
	fault             bindFault
}

// bindFault is where a Bind is found to be malformed. The server is sent what
// comes before, and finds the same fault there; what comes behind may hold a
// value to be sealed.
type bindFault uint8

const (
	bindWhole           bindFault = iota
	faultyParamFormats            // they are cut short
	faultyCount                   // there is none
	faultyValues                  // a length is cut short, negative, or beyond the message
	faultyResultFormats           // they are cut short
	faultyEnd                     // more follows
)

// forget drops what lies in the reader's buffer.
func (m *bindMessage) forget() {
	clear(m.values)
	*m = bindMessage{values: m.values[:0]}
}

// parseNames takes the names off a Bind's body.
func (m *bindMessage) parseNames(body []byte) (rest []byte, ok bool) {
	if m.portal, body, ok = cutString(body); !ok {
		return nil, false
	}
	m.statement, body, ok = cutString(body)
	return body, ok
}

// parseValues takes apart what follows the names, as far as it is well-formed.
func (m *bindMessage) parseValues(body []byte) {
	m.paramFormats, m.resultFormats, m.values, m.count = nil, nil, m.values[:0], 0
	m.fault = m.cutValues(body)
}

func (m *bindMessage) cutValues(body []byte) bindFault {
	var ok bool
	if m.paramFormats, body, ok = cutFormats(body); !ok {
		return faultyParamFormats
	}
	if len(body) < 2 {
		return faultyCount
	}
	m.count = int(binary.BigEndian.Uint16(body))
	body = body[2:]
	for range m.count {
		var value []byte
		if value, body, ok = cutValue(body); !ok {
			return faultyValues
		}
		m.values = append(m.values, value)
	}
	if m.resultFormats, body, ok = cutFormats(body); !ok {
		return faultyResultFormats
	}
	if len(body) > 0 {
		return faultyEnd
	}
	return bindWhole
}

// cutFormats takes a counted list of format codes off.
func cutFormats(b []byte) (formats, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := 2 * int(binary.BigEndian.Uint16(b))
	if len(b) < 2+n {
		return nil, nil, false
	}
	return b[2 : 2+n], b[2+n:], true
}

// cutValue takes a value behind its length off; nil is NULL.
func cutValue(b []byte) (value, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n := int(int32(binary.BigEndian.Uint32(b)))
	b = b[4:]
	if n == -1 {
		return nil, b, true
	}
	if n < 0 || n > len(b) {
		return nil, nil, false
	}
	return b[:n:n], b[n:], true
}

// formatOf is the format of the i-th value by a list of codes: none means text,
// one is for all.
func formatOf(formats []byte, i int) pgtypes.Format {
	switch {
	case len(formats) == 0:
		return pgtypes.Text
	case len(formats) == 2:
		i = 0
	}
	return pgtypes.Format(binary.BigEndian.Uint16(formats[2*i:]))
}

// countFits tells whether a list of format codes suits n values.
func countFits(formats []byte, n int) bool {
	c := len(formats) / 2
	return c <= 1 || c == n
}

// appendValue appends a value behind its length; nil is NULL.
func appendValue(dst, value []byte) []byte {
	if value == nil {
		return append(dst, 0xff, 0xff, 0xff, 0xff)
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(value)))
	return append(dst, value...)
}

// appendFormats appends a list of format codes spelled out for n values.
func appendFormats(dst, formats []byte, n int) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(n))
	for i := range n {
		dst = binary.BigEndian.AppendUint16(dst, uint16(formatOf(formats, i)))
	}
	return dst
}
