package pgtypes_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand"
	"strconv"
	"strings"
	"testing"

	"github.com/pgseal/pgseal/internal/pgtypes"
)

// seed makes the random values the same in every run.
const seed = 42

// TestRandom tries each type with values made at random.
func TestRandom(t *testing.T) {
	o := newOracle(t)
	o.exec("SET TimeZone = 'Europe/Berlin'")
	rng := rand.New(rand.NewSource(seed))
	for range 1500 {
		bits := rng.Uint64()
		switch rng.Intn(4) {
		case 0: // few digits
			bits = math.Float64bits(float64(rng.Intn(2000)) * math.Pow10(rng.Intn(60)-30))
		case 1: // a power of two, whose lower neighbour is nearer
			bits = uint64(rng.Intn(2047)) << 52
		case 2: // halfway points are near
			bits = math.Float64bits(float64(rng.Int63n(1<<54)) * math.Pow(5, float64(rng.Intn(24))))
		}
		if f := math.Float64frombits(bits); f == f {
			o.check("float8", 0, binary.BigEndian.AppendUint64(nil, bits), pgtypes.Binary)
			o.check("float8", 0, strconv.AppendFloat(nil, f, 'g', rng.Intn(20), 64), pgtypes.Text)
			o.check("numeric", 701, binary.BigEndian.AppendUint64(nil, bits), pgtypes.Binary)
		}
		narrow := math.Float32bits(float32(rng.Int63n(1<<25)) * float32(math.Pow(5, float64(rng.Intn(12)))))
		if rng.Intn(2) == 0 {
			narrow = rng.Uint32()
		}
		if f := math.Float32frombits(narrow); f == f {
			o.check("float4", 0, binary.BigEndian.AppendUint32(nil, narrow), pgtypes.Binary)
			o.check("numeric", 700, binary.BigEndian.AppendUint32(nil, narrow), pgtypes.Binary)
		}
	}
	for range 1500 {
		number := []byte(randomNumber(rng))
		typ := []string{"numeric", "numeric(20,6)", "numeric(6)", "int4", "int8", "jsonb"}[rng.Intn(6)]
		o.check(typ, 0, number, pgtypes.Text)
		o.check(typ, 0, randomNumeric(rng), pgtypes.Binary)
		o.check("int4", 1700, randomNumeric(rng), pgtypes.Binary)
	}
	for range 1500 {
		o.check("jsonb", 0, []byte(randomJSON(rng, 4)), pgtypes.Text)
		o.check("json", 0, []byte(randomJSON(rng, 4)), pgtypes.Text)
		o.check("bytea", 0, []byte(pick(rng, 8, `\`, `\\`, `\x`, "0", "1", "3", "7", "a", "F", " ", "é", "x")), pgtypes.Text)
		o.check("varchar(5)", 0, []byte(pick(rng, 8, "a", " ", "é", "\xc3", "日")), pgtypes.Text)
	}
	for range 1500 {
		moment := rng.Int63n(8_000_000_000_000_000) - 4_000_000_000_000_000
		if rng.Intn(4) == 0 {
			moment = int64(rng.Uint64())
		}
		typ := []string{"timestamptz", "timestamp", "timestamptz(1)", "timestamp(4)"}[rng.Intn(4)]
		o.check(typ, 0, binary.BigEndian.AppendUint64(nil, uint64(moment)), pgtypes.Binary)
		o.check("date", 0, binary.BigEndian.AppendUint32(nil, rng.Uint32()), pgtypes.Binary)
		o.check("timestamptz", 1114, binary.BigEndian.AppendUint64(nil, uint64(moment)), pgtypes.Binary)
		text := fmt.Sprintf("%04d-%02d-%02d %02d:%02d:%02d.%06d", 1+rng.Intn(3000), 1+rng.Intn(12), 1+rng.Intn(31), rng.Intn(25), rng.Intn(60), rng.Intn(61), rng.Intn(1000000))
		o.check(typ, 0, []byte(text), pgtypes.Text)
	}
	t.Logf("%d values compared with Postgres %d", o.counted, o.version)
}

func pick(rng *rand.Rand, most int, parts ...string) string {
	var b strings.Builder
	for range rng.Intn(most + 1) {
		b.WriteString(parts[rng.Intn(len(parts))])
	}
	return b.String()
}

func randomNumber(rng *rand.Rand) string {
	digits := func(n int) string { return pick(rng, n, "0", "1", "5", "9", "4", "00", "99", "7") }
	s := pick(rng, 1, "-", "+") + digits(20)
	if rng.Intn(2) == 0 {
		s += "." + digits(20)
	}
	if rng.Intn(4) == 0 {
		s += "e" + pick(rng, 1, "-", "+") + strconv.Itoa(rng.Intn(60))
	}
	return s
}

// randomNumeric is a numeric in binary, not always as Postgres would send it.
func randomNumeric(rng *rand.Rand) []byte {
	n := rng.Intn(6)
	b := binary.BigEndian.AppendUint16(nil, uint16(n))
	b = binary.BigEndian.AppendUint16(b, uint16(rng.Intn(12)-6))
	b = binary.BigEndian.AppendUint16(b, []uint16{0, 0x4000}[rng.Intn(2)])
	b = binary.BigEndian.AppendUint16(b, uint16(rng.Intn(24)))
	for range n {
		b = binary.BigEndian.AppendUint16(b, []uint16{0, 1, 9999, 5000, 4999, uint16(rng.Intn(10000))}[rng.Intn(6)])
	}
	return b
}

// randomJSON is mostly JSON.
func randomJSON(rng *rand.Rand, depth int) string {
	blank := pick(rng, 1, " ", "\n", "", "", "")
	text := func() string {
		return `"` + pick(rng, 4, "a", "b", "é", `\n`, `\"`, `\\`, `\/`, `\u0041`, `\u00e9`, `\ud83d\ude00`, "😀", `\u001f`) + `"`
	}
	switch n := rng.Intn(12); {
	case depth > 0 && n < 3:
		var parts []string
		for range rng.Intn(5) {
			parts = append(parts, blank+text()+blank+":"+randomJSON(rng, depth-1))
		}
		return "{" + strings.Join(parts, ",") + blank + "}"
	case depth > 0 && n < 6:
		var parts []string
		for range rng.Intn(5) {
			parts = append(parts, randomJSON(rng, depth-1))
		}
		return "[" + strings.Join(parts, blank+",") + "]" + blank
	case n < 8:
		return text()
	case n < 10:
		return strings.TrimPrefix(randomNumber(rng), "+")
	case n == 10 && rng.Intn(20) == 0:
		return pick(rng, 2, "x", "{", "]", ",", `"`, `\`, "1.", "#", "tru", `"\ud83d"`, `"\x"`, ":")
	}
	return []string{"true", "false", "null", "0"}[rng.Intn(4)]
}
