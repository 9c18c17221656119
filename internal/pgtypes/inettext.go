package pgtypes

import "bytes"

// parse reads an address, as inet or cidr (pg_inet_net_pton). What is short, or odd, is
// taken where Postgres takes it.
func (a *inetAddress) parse(text []byte, cidr bool) (ok bool) {
	s := inetScanner{text: text}
	switch {
	case bytes.IndexByte(text, ':') >= 0:
		a.size = 16
		return a.parseIPv6(&s)
	case cidr:
		a.size = 4
		return a.parseNetwork(&s)
	}
	a.size = 4
	return a.parseIPv4(&s)
}

// inetScanner reads a text byte by byte; behind its end come zeros.
type inetScanner struct {
	text []byte
	at   int
}

func (s *inetScanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

// octet reads a decimal number up to 255; the scanner is at a digit.
func (s *inetScanner) octet() (value byte, ok bool) {
	n := 0
	for ; isDigit(s.peek()); s.at++ {
		if n = n*10 + int(s.peek()-'0'); n > 255 {
			return 0, false
		}
	}
	return byte(n), true
}

// width reads "/24" up to the end of the text, given is false when nothing is there.
func (s *inetScanner) width() (bits int, given, ok bool) {
	if s.peek() == 0 {
		return 0, false, true
	}
	if s.peek() != '/' {
		return 0, false, false
	}
	s.at++
	if !isDigit(s.peek()) {
		return 0, false, false
	}
	for ; isDigit(s.peek()); s.at++ {
		bits = min(bits*10+int(s.peek()-'0'), 1000)
	}
	return bits, true, s.peek() == 0 && bits <= 32
}

// parseIPv4 reads an address of inet: all four octets, or those that the width covers
// (inet_net_pton_ipv4).
func (a *inetAddress) parseIPv4(s *inetScanner) bool {
	n := 0
	for isDigit(s.peek()) {
		value, ok := s.octet()
		if !ok || n == 4 {
			return false
		}
		a.bytes[n] = value
		n++
		if c := s.peek(); c == 0 || c == '/' {
			break
		} else if c != '.' {
			return false
		}
		s.at++
	}
	bits, given, ok := s.width()
	switch {
	case !ok || n == 0:
		return false
	case !given && n < 4:
		return false
	case !given:
		bits = 32
	}
	a.bits = bits
	return bits/8 <= n
}

// parseNetwork reads an address of cidr, in octets or in hex, whose width may hang on
// its class (inet_cidr_pton_ipv4).
func (a *inetAddress) parseNetwork(s *inetScanner) bool {
	n, ok := 0, false
	switch {
	case s.peek() == '0' && s.at+2 < len(s.text) && s.text[s.at+1]|0x20 == 'x' && hexDigits[s.text[s.at+2]] >= 0:
		s.at += 2
		n, ok = a.hex(s)
	case isDigit(s.peek()):
		n, ok = a.octets(s)
	}
	if !ok {
		return false
	}
	bits, given, ok := s.width()
	if !ok {
		return false
	}
	if !given {
		bits = classWidth(a.bytes[0], n)
	}
	a.bits = bits
	return true
}

func (a *inetAddress) hex(s *inetScanner) (n int, ok bool) {
	for digits := 0; hexDigits[s.peek()] >= 0; digits++ {
		if digits == 8 {
			return 0, false
		}
		a.bytes[digits/2] |= byte(hexDigits[s.peek()]) << (4 * (1 - digits%2))
		n = digits/2 + 1
		s.at++
	}
	return n, true
}

func (a *inetAddress) octets(s *inetScanner) (n int, ok bool) {
	for {
		if !isDigit(s.peek()) {
			return 0, false
		}
		value, ok := s.octet()
		if !ok || n == 4 {
			return 0, false
		}
		a.bytes[n] = value
		n++
		if s.peek() != '.' {
			return n, true
		}
		s.at++
	}
}

// classWidth is the width of a network by its first octet and the number of octets.
func classWidth(first byte, octets int) int {
	bits := 8
	switch {
	case first >= 240:
		bits = 32
	case first >= 224:
	case first >= 192:
		bits = 24
	case first >= 128:
		bits = 16
	}
	bits = max(bits, 8*octets)
	if bits == 8 && first == 224 {
		bits = 4
	}
	return bits
}

// parseIPv6 is inet_cidr_pton_ipv6, which inet has too.
func (a *inetAddress) parseIPv6(s *inetScanner) bool {
	at, gap := 0, -1 // bytes written, and where :: is
	if s.peek() == ':' {
		if s.at++; s.peek() != ':' {
			return false
		}
	}
	word := s.at // where the word began
	value, digits := 0, 0
	put := func() bool {
		if at+2 > len(a.bytes) {
			return false
		}
		a.bytes[at], a.bytes[at+1] = byte(value>>8), byte(value)
		at, value, digits = at+2, 0, 0
		return true
	}
	a.bits = 128
scan:
	for ; s.at < len(s.text); s.at++ {
		c := s.text[s.at]
		switch {
		case hexDigits[c] >= 0:
			value = value<<4 | int(hexDigits[c])
			if digits++; digits > 4 {
				return false
			}
		case c == ':':
			word = s.at + 1
			if digits == 0 {
				if gap >= 0 {
					return false
				}
				gap = at
				continue
			}
			if word == len(s.text) || !put() {
				return false
			}
		case c == '.' && at+4 <= len(a.bytes) && a.inner(s.text[word:], at):
			at, digits = at+4, 0
			break scan
		case c == '/' && a.innerBits(s.text[s.at+1:]):
			break scan
		default:
			return false
		}
	}
	if digits > 0 && !put() {
		return false
	}
	if gap >= 0 {
		if at == len(a.bytes) {
			return false
		}
		moved := at - gap
		copy(a.bytes[len(a.bytes)-moved:], a.bytes[gap:at])
		clear(a.bytes[gap : len(a.bytes)-moved])
		at = len(a.bytes)
	}
	return at == len(a.bytes)
}

// inner reads an address of IPv4 at the end of one of IPv6, with its width (getv4).
func (a *inetAddress) inner(text []byte, at int) bool {
	n, value, digits := 0, 0, 0
	put := func() bool {
		if n > 3 {
			return false
		}
		a.bytes[at+n] = byte(value)
		n, value, digits = n+1, 0, 0
		return true
	}
	for i, c := range text {
		switch {
		case isDigit(c):
			if digits++; digits > 1 && value == 0 {
				return false
			}
			if value = value*10 + int(c-'0'); value > 255 {
				return false
			}
		case c == '.' || c == '/':
			if !put() {
				return false
			}
			if c == '/' {
				return a.innerBits(text[i+1:])
			}
		default:
			return false
		}
	}
	return digits > 0 && put()
}

// innerBits reads the width of an address of IPv6 (getbits).
func (a *inetAddress) innerBits(text []byte) bool {
	value := 0
	for i, c := range text {
		if !isDigit(c) || i > 0 && value == 0 {
			return false
		}
		if value = value*10 + int(c-'0'); value > 128 {
			return false
		}
	}
	a.bits = value
	return len(text) > 0
}
