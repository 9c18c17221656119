package oracle_test

import (
	"fmt"
	"strings"
)

var textTypes = []*logical{
	{
		sql: "text",
		values: []string{"", "plain", "  blanks  ", "Grüße, 日本語 😀", `it's "quoted", \back`, "line\nend\ttab\r", "NULL", `\x00`, `\N`, `\.`,
			"$1 ; -- /* %s */", strings.Repeat("long é", 2000)},
		bad:       []string{"\xff", "a\xc3", "\xed\xa0\x80"},
		badBinary: []string{"a\x00b", "\xff", "\xc0\x80"},
		settings:  []string{"", "plain", "Grüße"},
	},
	{
		few:    true,
		sql:    "varchar",
		values: []string{"", "plain", " a ", "Grüße", `'"\`, strings.Repeat("x", 300)},
		bad:    []string{"\xff"}, badBinary: []string{"\x00"},
		settings: []string{"", "Grüße"},
	},
	{
		sql:    "varchar(5)",
		values: []string{"", "a", "abcde", "abcde   ", "ab ", "ééééé", "日本語日本"},
		bad:    []string{"abcdef", "abcde  x", "éééééé", "ab\xff"}, badBinary: []string{"abcdef", "a\x00"},
		settings: []string{"", "ééééé"},
	},
	{
		sql:    "char(5)",
		values: []string{"", "a", "abcde", "ab  ", "abcde     ", "éé", "ééééé", "     "},
		bad:    []string{"abcdef", "ab   x", "éééééé"}, badBinary: []string{"abcdef", "\xff"},
		settings: []string{"", "éé"},
	},
	{
		sql:    "char",
		values: []string{"", "a", "é", " ", "a   "},
		bad:    []string{"ab", "éé"}, badBinary: []string{"ab", "\xff"},
		settings: []string{"é"},
	},
	{
		sql:    "bytea",
		values: []string{"", `\x`, `\xDEADbeef`, `\x 00 ff`, "abc", `a\\b\001\377`, `\x` + everyByte(), `\x` + strings.Repeat("00ff", 1500)},
		bad:    []string{`\x0`, `\xzz`, `\400`, `\`, `\x0 0`, `\08`},
	},
	{
		few:       true,
		sql:       "uuid",
		values:    []string{"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "A0EEBC999C0B4EF8BB6D6BB9BD380A11", "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"},
		bad:       []string{"", "a0eebc99", "g0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", " a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
		badBinary: []string{"", "0123456789abcde", "0123456789abcdefg"},
	},
	{
		few:     true,
		sql:     "bool",
		values:  []string{"t", "f", "true", "FALSE", "yes", "off", "1", " 0 ", "y", "no"},
		numbers: []string{"true", "FALSE"},
		bad:     []string{"", "2", "maybe", "truee", "o"}, badBare: []string{"1", "1.5"},
		badBinary: []string{"", "\x00\x00"},
	},
}

// everyByte is all bytes, in hex.
func everyByte() string {
	var b strings.Builder
	for i := range 256 {
		fmt.Fprintf(&b, "%02x", i)
	}
	return b.String()
}

var deepArray = strings.Repeat("[", 500) + strings.Repeat("]", 500)

var deepObject = strings.Repeat(`{"k":`, 500) + "1" + strings.Repeat("}", 500)

var jsonTypes = []*logical{
	{
		few: true,
		sql: "json",
		values: []string{"{}", " [ ] ", "null", `{"b":1,"a":[1, 2.0, 1e5 ],"b":null}`, `"Grüße \u00e9 \ud83d\ude00 \u0000"`, "-0", "12345678901234567890.10", deepArray, deepObject,
			"{\"a\":\t\"line\",\r\n\"z\": \"'\\\"\"}"},
		bad:       []string{"", "{", "nul", "'a'", `{"a":}`, `{"a":1}x`, `"\u12"`, `"\x"`, "01", "[1,]", "\"a\nb\"", `"\ud83d\ud83d"`},
		badBinary: []string{"", "{", "\xff"},
		settings:  []string{`{"k": "Grüße"}`, "[]"},
	},
	{
		sql: "jsonb",
		values: []string{"{}", " [ ] ", "null", `"text"`, `{"b":1,"a":[1, 2.0, 1e5, -0.0, 1.50 ],"b":null, "aa":true,"":0}`, `"Grüße \u00e9 \ud83d\ude00 \u0041"`, "-0", "1e400", "12345678901234567890.10", deepArray, deepObject,
			`{"z":1,"A":{"y":[],"x":{}},"é":"\n\t\"\\\/"}`},
		bad:       []string{"", "{", "nul", "'a'", `{"a":}`, `{"a":1}x`, `"\u12"`, `"\u0000"`, `"\ud83d"`, "1e131072", "01", "[1,]", "\"a\nb\""},
		badBinary: []string{"", "{}", "\x02{}", "\x01", "\x01{", "\x01\xff"},
		settings:  []string{`{"k": "Grüße"}`, "[]"},
	},
}
