package generator

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strings"

	"github.com/pgseal/pgseal/internal/canary"
)

// value is a value of a type, as text and in the binary format; nil when it is
// only made as text.
type value struct {
	text   string
	binary []byte
	bare   bool // it may be written as a literal without quotes
}

// kind is a type of which values are made.
type kind struct {
	name string // in a cast
	oid  uint32
	make func(g *gen, secret bool) value // secret: it holds a canary, where the type has room for one
	bad  []string
}

// sealedTypes are the types of the columns of the table everything.
var sealedTypes = []string{
	"text", "varchar(20)", "char(5)", "json", "jsonb", "bytea", "bool", "int2", "int4", "int8", "float4", "float8",
	"numeric", "numeric(12,2)", "uuid", "date", "timestamp", "timestamptz", "timestamp(3)", "interval", "inet", "cidr", "macaddr",
	"text[]", "int4[]", "jsonb[]", "timestamptz[]",
}

// kindOf finds the kind of a type as it is declared.
func kindOf(typ string) *kind {
	if element, ok := strings.CutSuffix(typ, "[]"); ok {
		return arrayOf(kindOf(element))
	}
	base, _, _ := strings.Cut(typ, "(")
	k := kinds[base]
	if k == nil {
		panic("generator: no values are made of type " + typ)
	}
	if base == typ {
		return k
	}
	limited := *k
	if typ == "numeric(12,2)" {
		limited.make = func(g *gen, _ bool) value {
			return value{text: fmt.Sprintf("%d.%02d", g.d.n(1000000)-500000, g.d.n(100)), bare: true}
		}
	}
	return &limited
}

var kinds = map[string]*kind{
	"text":        {"text", 25, makeText, nil},
	"varchar":     {"varchar", 1043, makeShort(20), nil},
	"char":        {"bpchar", 1042, makeShort(5), nil},
	"json":        {"json", 114, makeJSON, []string{"[", ""}},
	"jsonb":       {"jsonb", 3802, makeJSONB, []string{"{", `{"a":}`}},
	"bytea":       {"bytea", 17, makeBytea, []string{`\x0`, `\xzz`}},
	"bool":        {"bool", 16, makeBool, []string{"maybe", ""}},
	"int2":        {"int2", 21, makeInt2, []string{"x", "40000"}},
	"int4":        {"int4", 23, makeInt4, []string{"x", "1.5", "99999999999"}},
	"int8":        {"int8", 20, makeInt8, []string{"x", "99999999999999999999"}},
	"float4":      {"float4", 700, makeFloat4, []string{"x", "1e60"}},
	"float8":      {"float8", 701, makeFloat8, []string{"x", "1e400"}},
	"numeric":     {"numeric", 1700, makeNumeric, []string{"x", "1.2.3"}},
	"uuid":        {"uuid", 2950, makeUUID, []string{"x", "1234"}},
	"date":        {"date", 1082, makeDate, []string{"2020-13-01", "x"}},
	"timestamp":   {"timestamp", 1114, makeTimestamp, []string{"2020-02-30 00:00", "x"}},
	"timestamptz": {"timestamptz", 1184, makeTimestampTZ, []string{"2020-02-30 00:00Z", "x"}},
	"interval":    {"interval", 1186, makeInterval, []string{"x", "1 fortnight"}},
	"inet":        {"inet", 869, makeInet, []string{"x", "1.2.3.400"}},
	"cidr":        {"cidr", 650, makeCIDR, []string{"x", "10.0.0.1/8"}},
	"macaddr":     {"macaddr", 829, makeMACAddr, []string{"x", "08:00:2b"}},
}

// arrayOf makes arrays of a kind's values, as text.
func arrayOf(element *kind) *kind {
	return &kind{name: element.name + "[]", bad: []string{"x", "{1,"}, make: func(g *gen, secret bool) value {
		var items []string
		for range g.d.n(4) {
			if g.d.oneIn(6) {
				items = append(items, "NULL")
				continue
			}
			v := element.make(g, secret).text
			items = append(items, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v)+`"`)
		}
		return value{text: "{" + strings.Join(items, ",") + "}"}
	}}
}

func textValue(s string) value { return value{text: s, binary: []byte(s)} }

func makeText(g *gen, secret bool) value {
	tail := pick(g.d, "", "'", `\`, "äöü€", "two\nlines", "$$", "--x", "/*", `"`, "%", "; SELECT 1", strings.Repeat("long ", 500))
	if !secret {
		if tail == "" || g.d.oneIn(2) {
			return textValue(pick(g.d, "a", "b", "", "one", "two", "Three", "x y"))
		}
		return textValue("t" + tail)
	}
	return textValue(g.canary() + tail)
}

func makeShort(limit int) func(*gen, bool) value {
	return func(g *gen, secret bool) value {
		if secret && limit > 12 {
			return textValue(g.canary())
		}
		return textValue(pick(g.d, "ab", "", "abcde", "äöüß", "a  "))
	}
}

func makeJSON(g *gen, secret bool) value {
	k := "k"
	if secret {
		k = g.canary()
	}
	return textValue(fmt.Sprintf(pick(g.d, `{"k": "%s"}`, `["%s", 1]`, `{"b":1,"a":{"k" : "%s"},"b":2.50}`, `"%s"`), k))
}

func makeJSONB(g *gen, secret bool) value {
	v := makeJSON(g, secret)
	v.binary = append([]byte{1}, v.binary...)
	return v
}

func makeBytea(g *gen, secret bool) value {
	raw := []byte(pick(g.d, "a", "", "\x00\xff", "'\\"))
	if secret {
		raw = append([]byte(g.canary()), raw...)
	}
	return value{text: `\x` + hex.EncodeToString(raw), binary: append([]byte{}, raw...)}
}

func makeBool(g *gen, _ bool) value {
	if g.d.oneIn(2) {
		return value{pick(g.d, "false", "FALSE"), []byte{0}, true}
	}
	return value{pick(g.d, "true", "TRUE"), []byte{1}, true}
}

func makeInt2(g *gen, _ bool) value {
	i := pick(g.d, 1, 0, -1, 32767, -32768, 12)
	return value{fmt.Sprint(i), binary.BigEndian.AppendUint16(nil, uint16(int16(i))), true}
}

func makeInt4(g *gen, _ bool) value {
	i := pick(g.d, 1, 2, 0, -1, math.MaxInt32, math.MinInt32, 12345)
	return value{fmt.Sprint(i), binary.BigEndian.AppendUint32(nil, uint32(int32(i))), true}
}

func makeInt8(g *gen, secret bool) value {
	i := int64(pick(g.d, 1, 0, -1, math.MaxInt64, math.MinInt64, 1<<40))
	if secret {
		i = canary.Int(g.canaryNumber())
	}
	return value{fmt.Sprint(i), binary.BigEndian.AppendUint64(nil, uint64(i)), true}
}

func makeFloat4(g *gen, _ bool) value {
	f := pick(g.d, 1, 0.5, -1e10, 3.25)
	return value{fmt.Sprint(f), binary.BigEndian.AppendUint32(nil, math.Float32bits(float32(f))), true}
}

func makeFloat8(g *gen, _ bool) value {
	f := pick(g.d, 1, 0.1, -1e100, 12345.678, 1.0/3)
	return value{fmt.Sprint(f), binary.BigEndian.AppendUint64(nil, math.Float64bits(f)), true}
}

func makeNumeric(g *gen, secret bool) value {
	if secret {
		return value{text: fmt.Sprintf("%d.%d", canary.Int(g.canaryNumber()), g.d.n(100)), bare: true}
	}
	return value{text: pick(g.d, "1", "0.00", "-12.5", "1e20", "100000000000000000000.000000000001"), bare: true}
}

func makeUUID(g *gen, secret bool) value {
	raw := []byte("0123456789abcdef")
	if secret {
		raw = fmt.Appendf(nil, "%s%04d", g.canary(), g.d.n(10))
	}
	h := hex.EncodeToString(raw)
	return value{text: h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:], binary: raw}
}

func makeDate(g *gen, _ bool) value {
	days := pick(g.d, 0, 1, -1000, 9000)
	return value{text: pick(g.d, "2000-01-01", "1999-12-31", "2024-02-29", "infinity"), binary: binary.BigEndian.AppendUint32(nil, uint32(int32(days)))}
}

func makeTimestamp(g *gen, _ bool) value {
	return value{text: pick(g.d, "2000-01-01 00:00:00", "1999-12-31 23:59:59.999999", "2024-02-29 12:30", "-infinity"),
		binary: binary.BigEndian.AppendUint64(nil, uint64(pick(g.d, 0, 1, 123456789012)))}
}

func makeTimestampTZ(g *gen, _ bool) value {
	v := makeTimestamp(g, false)
	if v.text != "-infinity" {
		v.text += pick(g.d, "Z", "+02", "-08:30", "")
	}
	return v
}

func makeInterval(g *gen, _ bool) value {
	return value{text: pick(g.d, "1 day", "-3 months 2 days", "04:05:06.789", "P1Y2M3DT4H5M6S", "1 year -1 day", "0")}
}

func makeInet(g *gen, secret bool) value {
	if secret {
		return value{text: canary.Inet(g.canaryNumber())}
	}
	return value{text: pick(g.d, "10.0.0.1", "192.168.0.1/24", "::1", "fe80::1/64")}
}

func makeCIDR(g *gen, secret bool) value {
	if secret {
		return value{text: canary.Inet(g.canaryNumber())}
	}
	return value{text: pick(g.d, "10.0.0.0/8", "192.168.0.1", "::/0", "2001:db8::/32")}
}

func makeMACAddr(g *gen, secret bool) value {
	if secret {
		return value{text: "63:61:6e:61:72:79", binary: []byte(g.canary())[:6]}
	}
	return value{text: pick(g.d, "08:00:2b:01:02:03", "08002b:010203", "0800-2b01-0203")}
}
