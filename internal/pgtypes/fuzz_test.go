package pgtypes_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/pgseal/pgseal/internal/pgtypes"
)

// fuzzCodec: nothing panics, and canonical bytes, sent to a client in either
// format and by it back, are the same again.
func fuzzCodec(f *testing.F, seeds []string, types ...string) {
	if len(seeds) < 10 {
		f.Fatal("seeds are missing")
	}
	for _, s := range seeds {
		f.Add([]byte(s), false)
	}
	berlin := pgtypes.NewEnv(pgtypes.Settings{DateStyle: "ISO, DMY", IntervalStyle: "postgres", TimeZone: "Europe/Berlin", ClientEncoding: "UTF8"})
	f.Fuzz(func(t *testing.T, value []byte, isBinary bool) {
		format := pgtypes.Text
		if isBinary {
			format = pgtypes.Binary
		}
		for _, typ := range types {
			c := codec(t, typ)
			canonical, err := c.Canonical(nil, value, format, berlin)
			if err != nil {
				continue
			}
			if pastTheEnd(typ, canonical) {
				continue
			}
			for _, back := range []pgtypes.Format{pgtypes.Text, pgtypes.Binary} {
				wire, err := c.Append(nil, canonical, back, berlin)
				if err != nil {
					t.Fatalf("%s: Append of canonical bytes: %v", typ, err)
				}
				again, err := c.Canonical(nil, wire, back, berlin)
				if err != nil {
					t.Fatalf("%s: what Append gave is not taken: %v", typ, err)
				}
				if !bytes.Equal(again, canonical) && !notANumber(typ, canonical) {
					t.Fatalf("%s in format %d: %q became %q by way of %q", typ, back, canonical, again, wire)
				}
			}
		}
	})
}

// notANumber: the text NaN loses a NaN's sign and payload, in Postgres too.
func notANumber(typ string, canonical []byte) bool {
	c := bytes.Clone(canonical)
	if typ != "float8" || len(c) != 8 {
		return false
	}
	c[0] &= 0x7f
	return c[0] == 0x7f && c[1] >= 0xf0
}

// pastTheEnd: what Postgres writes and does not read back. Rounding took the timestamp to the year 294277, which is not read
// back.
func pastTheEnd(typ string, canonical []byte) bool {
	if strings.HasPrefix(typ, "interval") { // whose shortest time has no positive
		return int64(binary.BigEndian.Uint64(canonical)) == math.MinInt64
	}
	const end = 9223371331200000000
	return typ == "timestamptz(2)" && int64(binary.BigEndian.Uint64(canonical)) == end
}

func FuzzJSON(f *testing.F) { fuzzCodec(f, jsonTexts, "json", "jsonb") }

func FuzzNumeric(f *testing.F) {
	fuzzCodec(f, append(texts["numeric"], baseTexts...), "numeric", "numeric(5,2)", "float8", "int8")
}

func FuzzTimestamp(f *testing.F) {
	fuzzCodec(f, append(refusedDates, dateTexts...), "timestamptz", "timestamp", "date", "timestamptz(2)")
}

func FuzzBytea(f *testing.F) { fuzzCodec(f, texts["bytea"], "bytea", "uuid", "bool") }

func FuzzText(f *testing.F) { fuzzCodec(f, texts["varchar(5)"], "text", "varchar(5)", "char(5)") }

func FuzzArray(f *testing.F) {
	fuzzCodec(f, append(arrayTexts["text[]"], arrayTexts["int4[]"]...), "text[]", "int4[]", "bytea[]", "varchar(3)[]")
}
