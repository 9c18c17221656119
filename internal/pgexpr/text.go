package pgexpr

import (
	"encoding/binary"
	"math"
	"unicode/utf8"

	"github.com/pgseal/pgseal/internal/pgerr"
)

func appendInt4(dst []byte, n int) []byte {
	return binary.BigEndian.AppendUint32(dst, uint32(int32(n)))
}

func characters(text []byte) int { return utf8.RuneCount(text) }

// trimmed is char's text without its padding (bpchartruelen).
func trimmed(text []byte) []byte {
	for len(text) > 0 && text[len(text)-1] == ' ' {
		text = text[:len(text)-1]
	}
	return text
}

// prefix is how many bytes the first n characters take, 0 for none (pg_mbcharcliplen).
func prefix(text []byte, n int) int {
	at := 0
	for ; n > 0 && at < len(text); n-- {
		_, size := utf8.DecodeRune(text[at:])
		at += size
	}
	return at
}

// left is text_left: the first n characters, or all but the last -n.
func left(text []byte, n int32) []byte {
	count := int(n)
	if n < 0 {
		count += characters(text)
	}
	return text[:prefix(text, count)]
}

// right is text_right: the last n characters, or all but the first -n.
func right(text []byte, n int32) []byte {
	if n < 0 {
		return text[prefix(text, int(-n)):] // the least integer stays what it is
	}
	return text[prefix(text, characters(text)-int(n)):]
}

// substring is text_substring and bytea_substring: the length characters (bytes) from
// the start-th, counted from 1; without a length all of them.
func substring(value []byte, start, length int32, hasLength, bytes bool) ([]byte, error) {
	end := int64(math.MaxInt32)
	if hasLength {
		if length < 0 {
			return nil, &pgerr.Error{Code: codeSubstring, Message: "negative substring length not allowed"}
		}
		end = int64(start) + int64(length)
	}
	first := max(int64(start), 1)
	if end <= first {
		return nil, nil
	}
	if bytes {
		size := int64(len(value))
		return value[min(first-1, size):min(end-1, size)], nil
	}
	value = value[prefix(value, int(first-1)):]
	if !hasLength {
		return value, nil
	}
	return value[:prefix(value, int(end-first))], nil
}

const codeSubstring = "22011" // substring_error
