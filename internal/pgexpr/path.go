package pgexpr

import (
	"encoding/binary"
	"errors"

	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/policy"
)

// utf8Env is what arguments are read by.
var utf8Env = pgtypes.NewEnv(pgtypes.Settings{DateStyle: "ISO, MDY", IntervalStyle: "postgres", TimeZone: "UTC", ClientEncoding: "UTF8"})

var typeTextArray = policy.Type{Kind: policy.Text, Array: true}

// bindPath reads the path of #> and #>>, the text of a text[]. With NULL in it the
// result is NULL (array_contains_nulls).
func (b *bound) bindPath(text []byte) (null bool, err error) {
	codec, err := pgtypes.For(typeTextArray)
	if err != nil {
		return false, err
	}
	array, err := codec.Canonical(nil, text, pgtypes.Text, utf8Env)
	if err != nil {
		return false, err
	}
	b.path = []pgtypes.JSONKey{}
	if len(array) == 0 {
		return false, nil
	}
	for rest := array[4:]; len(rest) > 0; { // behind the lower bound
		if len(rest) < 4 {
			return false, errPath
		}
		size := binary.BigEndian.Uint32(rest)
		rest = rest[4:]
		if size == 0xffffffff {
			return true, nil
		}
		if uint64(size) > uint64(len(rest)) {
			return false, errPath
		}
		b.path = append(b.path, pgtypes.PathKey(string(rest[:size])))
		rest = rest[size:]
	}
	return false, nil
}

var errPath = errors.New("internal error: the canonical bytes of a text[] are none")
