package pgtypes_test

import (
	"errors"
	"fmt"
	"math/rand"
	"strings"
	"testing"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/policy"
)

// eachVersion runs f with every major version of Postgres.
func eachVersion(t *testing.T, f func(o *oracle)) {
	pgtest.EachVersion(t, func(t *testing.T, s *postgres.Server) { f(oracleOn(t, pgtest.DatabaseOn(t, s))) })
}

// arrayTexts are tried as arrays of each of the types that they are listed for.
var arrayTexts = map[string][]string{
	"text[]": {
		"{}", " { } ", "{a}", "{a,b}", "{ a , b }", `{"a","b"}`, `{"a" , "b" }`, `{a b, c}`, "{NULL}", "{null,NuLL}", `{"NULL","null",nul\l}`, `{""}`, `{"{","}",","}`, `{"a\"b","c\\d"}`, `{a\,b,\{c\}}`, `{\ a\ }`, "{é,日本}", "{\"a\nb\",c\td}",
		"{a\vb, \v}", `{x'y}`, "{[]}", "{[1:2]}", "[2:3]={a,b}", "[0:0]={a}", "[-3:-2]={a,b}", "[2]={a,b}", " [ 1:2]={a,b}", "[1:2] = {a,b}", "[1:2]= {a,b}", "[+1:+2]={a,b}", "[1:2]={}", "[1:2]={a}", "[1:2]={a,b,c}", "[2:1]={a}", "[3]={a}", "[-3]={a}",
		"[2147483647]={a}", "[2147483646:2147483646]={a}", "[2147483646:2147483647]={a,b}", "[2147483647:2147483647]={a}", "[-2147483648:2147483646]={a}", "[-2147483648:-2147483648]={a}", "[99999999999]={a}", "[99999999999:99999999999]={a}", "[99999999999999999999]={a}", "[-99999999999999999999:1]={a}", "[4294967297:4294967297]={a}",
		"[+-5:6]={a}", "[1-2:3]={a}", "[-:1]={a,b}", "[+]={a}", "[1:-]={a}", "[1:+1]={a}", "[1 :2]={a,b}", "[1: 2]={a,b}", "[a]={a}", "[]={a}", "[1:]={a}", "[:1]={a}", "[1:2", "[1", "[", "[1]", "[1] ", "[1]a", "[1]=", "[1]= ", "[1]=a", "[1][1][1][1][1][1][1]={1}",
		"", " ", "a", "a{", "(a)", "{", "{ ", "{a", "{a,", "{a, ", "{,", "{,}", "{a,}", "{,a}", "{a,,b}", "}", "{}}", "{} x", "{a}b", "{a} ,", "{a}{b}", "{a}\n", `{"a"b}`, `{"a"\b}`, `{"a" "b"}`, `{"a""b"}`, `{a"b"}`, `{a"b}`, `{a "b"}`, `{"a`, `{"a"`, `{"a" `, `{"a\`, `{"a\"`, `{a\`, `{\`, `{\a}`, `{a\\}`, `{"a" {`, `{"a" }`,
		"{a{b}", "{a{b}}", "{a,{b}}", "{a,b},", "{ab} {", "{null", `{"null`, "{nul l}", "{nulls}", "{ null }", `{null\ }`, "{NULL,", "{\x00}", "{\xff}", `{"` + strings.Repeat("x", 3000) + `"}`,
	},
	"varchar(3)[]":   {"{abc,abcd}", "{abcd,abc", "{abcd,efgh}", `{"abc  ",é日x,NULL}`},
	"varchar[]":      {"{abc,abcd}"},
	"char(3)[]":      {"{a,abcd}", `{a,"abc  ",""}`},
	"bool[]":         {"{t,f,yes,NULL}", "{t,maybe}"},
	"int2[]":         {"{1,2}", "{1,70000}"},
	"int4[]":         {"{1, 2 ,-3}", "{1,x,}", "{1,x", "{x,{", `{"1"}`, `{""}`, "{1 2}", "[1:1]={x}", "[1:3]={1,x}", "{1.5}", "[2147483646:2147483647]={x,1}"},
	"int8[]":         {"{9223372036854775807,NULL}", "{9223372036854775808}"},
	"float4[]":       {"{1.5,NaN,-inf}"},
	"float8[]":       {"{1.5,NaN,1e400}", "{0.1,1e22}"},
	"numeric[]":      {"{1.50,NaN,inf}"},
	"numeric(5,2)[]": {"{1.005,NULL,999.99}", "{1000,2}", "{1000,x}", "{inf}", "{1000,2000}"},
	"json[]":         {`{"{\"a\": 1}",null,"null",1}`, `{"{"}`},
	"jsonb[]":        {`{"{\"b\":1,\"a\":[1, 2]}",1.0}`, `{"[1,"}`},
	"bytea[]":        {`{"\\x00ff",abc,"a\\\\b"}`, `{\\x0}`, `{\x00}`, `{""}`},
	"uuid[]":         {"{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}", `{"{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}"}`, "{a}"},
	"date[]":         {"{2024-01-02,infinity,0044-03-15 BC,NULL}", "{2024-13-01}"},
	"timestamp[]":    {`{"2024-01-02 03:04:05.678",-infinity}`, "{2024-01-02 03:04}"},
	"timestamp(0)[]": {`{2024-01-02 03:04:05.678}`},
	"timestamptz[]":  {`{"2024-01-02 03:04:05.678+01",NULL,"2024-07-02 03:04"}`, "{2024-01-02 03:04+17}"},
}

func TestArrayTexts(t *testing.T) {
	eachVersion(t, func(o *oracle) {
		for _, zone := range []string{"UTC", "Asia/Kathmandu"} {
			o.exec("SET TimeZone = '" + zone + "'")
			for typ, list := range arrayTexts {
				if zone != "UTC" && !strings.HasPrefix(typ, "timestamp") {
					continue
				}
				o.checkAll(typ, list)
			}
		}
		o.exec("SET DateStyle = 'Postgres, DMY'")
		o.checkAll("timestamptz[]", []string{`{"2024-01-02 03:04:05.678+01",NULL,"2024-07-02 03:04"}`})
		o.refused("text[]", []string{"{{a}}", "{{a},{b}}", "{{}}", " { { a } } ", "[1:1][1:1]={{a}}", `{{"a`})
		o.t.Logf("%d values compared with Postgres %d", o.counted, o.version)
	})
}

// word is a number of an array's binary form.
func word(n int32) string { return string([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) }

func words(n ...int32) string {
	var b strings.Builder
	for _, n := range n {
		b.WriteString(word(n))
	}
	return b.String()
}

func TestArrayBinary(t *testing.T) {
	const integer = 23
	eachVersion(t, func(o *oracle) {
		for _, value := range []string{
			"", words(0), words(0, 0), words(0, 0, integer), words(0, 0, integer, 1), words(0, 2, integer), words(-1), words(7), words(1), words(1, 0, integer), words(1, 0, integer, 1), words(1, 0, integer, 0, 1), words(1, 0, integer, 0, 5), words(1, 0, integer, 1, 1), words(1, 0, integer, 1, 1, 4), words(1, 0, integer, 1, 1, 4, 7),
			words(1, 0, integer, 1, 1, 4, 7, 0), words(1, 1, integer, 2, 1, 4, 7, -1), words(1, 0, integer, 1, 1, -1), words(1, 1, integer, 1, 1, 4, 7), words(1, 0, integer, 1, -5, 4, 7), words(1, 0, integer, 1, 1, -2), words(1, 0, integer, 1, 1, 5, 7), words(1, 0, integer, 1, 1, 5, 7) + "x", words(1, 0, integer, 1, 1, 3) + "abc", words(1, 0, integer, 1, 1, 0),
			words(1, 0, integer, 2, 1, 4, 1, 5, 7) + "x", words(1, 0, integer, -1, 1), words(1, 0, integer, 134217728, 1), words(1, 0, integer, 1, 2147483647, 4, 7), words(1, 0, integer, 1, 2147483646, 4, 7), words(2, 0, integer, 0, 1, 5, 1), words(2, 0, integer, 5, 1, 0, 1), words(2, 0, integer, 100000, 1, 100000, 1), words(2, 0, integer, 0, 1, -1, 1), words(2, 0, integer, 1),
			words(1, 0, 25, 1, 1, 4, 7), words(1, 0, 20, 1, 1, 4, 7), words(0, 0, 25), words(1, 0, 70000, 1, 1, 4, 7), words(1, 0, 0, 1, 1, 4, 7), words(1, 0, 142, 1, 1, 4, 7), words(1, 0, 9999, 1, 1, 4, 7), words(2, 0, 25), words(1, 0, 1043, 1, 1, 4, 7), words(1, 0, 1009, 1, 1, 4, 7),
		} {
			o.check("int4[]", 0, []byte(value), pgtypes.Binary)
		}
		for typ, list := range map[string][]string{
			"text[]":         {words(1, 0, 25, 2, 1, 1) + "a" + words(3) + "é!", words(1, 0, 25, 1, 1, 1) + "\xff", words(1, 0, 25, 1, 1, 1) + "\x00"},
			"varchar(2)[]":   {words(1, 0, 1043, 2, 1, 3) + "abc" + words(1) + "\xff", words(1, 0, 1043, 1, 1, 3) + "ab ", words(1, 0, 1043, 1, 1, 3) + "abc"},
			"bool[]":         {words(1, 0, 16, 2, 1, 1) + "\x07" + words(0), words(1, 0, 16, 1, 1, 2) + "\x07\x00"},
			"numeric(4,1)[]": {words(1, 0, 1700, 1, 1, 12) + "\x00\x02\x00\x00\x00\x00\x00\x04\x00\x07\x04\xd2"},
			"jsonb[]":        {words(1, 0, 3802, 1, 1, 3) + "\x01[]", words(1, 0, 3802, 1, 1, 3) + "\x02[]"},
		} {
			for _, value := range list {
				o.check(typ, 0, []byte(value), pgtypes.Binary)
			}
		}
		_, err := ours("int4[]", 0, []byte(words(2, 0, integer, 1, 1, 1, 1, 4, 7)), pgtypes.Binary, pgtypes.Text, o.env())
		wantError(o.t, "two dimensions", err, pgerr.FeatureNotSupported)
	})
}

func TestArraysAreAssigned(t *testing.T) {
	o := newOracle(t)
	for declared, list := range map[uint32][]string{
		1007: {"{1,2,NULL}", "[5:6]={70000,3}", "{}"},           // int4[]
		1009: {"{abc,de,NULL}", "{}"},                           // text[]
		1015: {"{abcdef}"},                                      // varchar[]
		1231: {"{1.5,NULL}", "{1e30}"},                          // numeric[]
		1185: {`{"2024-01-02 03:04+00"}`},                       // timestamptz[]
		199:  {`{"{\"a\": 1}"}`},                                // json[]
		1000: {"{t,f}"},                                         // bool[]
		23:   {"1"}, 25: {"{}"}, 1022: {"{1.5}"}, 1003: {"{a}"}, // int4, text, float8[], name[]
	} {
		for _, typ := range []string{"int2[]", "int4[]", "int8[]", "numeric(4,1)[]", "text[]", "varchar(4)[]", "char(3)[]", "date[]", "timestamp[]", "jsonb[]", "bool[]", "text", "varchar(4)", "int4"} {
			if declared == 1003 {
				to, _ := policy.ParseType(typ)
				if pgtypes.Assignable(declared, to, "c") == nil {
					t.Errorf("%s from name[] is taken", typ)
				}
				continue
			}
			for _, text := range list {
				o.check(typ, declared, []byte(text), pgtypes.Text)
			}
		}
	}
	t.Logf("%d values compared with Postgres %d", o.counted, o.version)
}

// TestRandomArrays tries texts of an array's parts in any order.
func TestRandomArrays(t *testing.T) {
	eachVersion(t, func(o *oracle) {
		rng := rand.New(rand.NewSource(seed))
		for range 500 {
			text := pick(rng, 1, "[1:2]=", "[0:1]=", "[2]=", " ", "", "") + "{" + pick(rng, 7, "a", "b", ",", ",", `"`, `"x"`, `\`, "}", "{", " ", "NULL", "é", "\t", "'") + pick(rng, 1, "}", "}", "}", "} ", "")
			_, err := ours("text[]", 0, []byte(text), pgtypes.Text, pgtypes.Text, o.env())
			var e *pgerr.Error
			if errors.As(err, &e) && e.Code == pgerr.FeatureNotSupported {
				if !strings.Contains(text, "{") {
					t.Errorf("%q: %v", text, err)
				}
				continue
			}
			o.check("text[]", 0, []byte(text), pgtypes.Text)
		}
	})
}

func TestElements(t *testing.T) {
	env := pgtypes.NewEnv(pgtypes.Settings{DateStyle: "ISO, MDY", IntervalStyle: "postgres", TimeZone: "UTC", ClientEncoding: "UTF8"})
	list := func(read func(each func([]byte, bool) error) error) string {
		var all []string
		if err := read(func(element []byte, null bool) error {
			if null {
				all = append(all, "NULL")
			} else {
				all = append(all, fmt.Sprintf("%q", element))
			}
			return nil
		}); err != nil {
			return err.Error()
		}
		return strings.Join(all, " ")
	}
	bytea := policy.Type{Kind: policy.Bytea, Array: true}
	const domain = 16999
	for name, got := range map[string]string{
		"sealed values in text": list(func(each func([]byte, bool) error) error {
			return pgtypes.Elements([]byte(`{"\\x5ea1",NULL}`), pgtypes.Text, bytea, env, each)
		}),
		"sealed values in binary": list(func(each func([]byte, bool) error) error {
			return pgtypes.Elements([]byte(words(1, 1, domain, 2, 1, 2)+"\x5e\xa1"+words(-1)), pgtypes.Binary, bytea, env, each)
		}),
	} {
		if got != `"^\xa1" NULL` {
			t.Errorf("%s: %s", name, got)
		}
	}
	to := policy.Type{Kind: policy.Varchar, Mods: []int{3}}
	if got := list(func(each func([]byte, bool) error) error {
		return pgtypes.AssignElements([]byte("{1,NULL,22}"), pgtypes.Text, 1007, to, "c", env, each)
	}); got != `"1" NULL "22"` {
		t.Errorf("int4[] to varchar(3): %s", got)
	}
	err := pgtypes.AssignElements([]byte("{1,NULL,2222}"), pgtypes.Text, 1007, to, "c", env, func([]byte, bool) error { return nil })
	wantError(t, "too long", err, pgerr.StringTruncation)
	err = pgtypes.AssignElements([]byte("{1}"), pgtypes.Text, 1007, policy.Type{Kind: policy.UUID}, "c", env, func([]byte, bool) error { return nil })
	wantError(t, "int4[] to uuid", err, "42804")

	var a pgtypes.Array
	c := codec(t, "text[]")
	for want, fill := range map[string]func(){
		"{}":             func() {},
		`{"a b",NULL,c}`: func() { a.Add([]byte("a b")); a.AddNull(); a.Add([]byte("c")) },
	} {
		a.Reset()
		fill()
		got, err := c.Append(nil, a.Canonical(), pgtypes.Text, env)
		if err != nil || string(got) != want {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
	}
}

func TestArraysInAnotherEncoding(t *testing.T) {
	o := newOracle(t)
	o.exec("SET client_encoding = LATIN1")
	for _, text := range []string{"{\xe9,\"a \xfc\",NULL}", "{\x80}", "{\xa0}"} {
		o.check("text[]", 0, []byte(text), pgtypes.Text)
		o.check("varchar(3)[]", 0, []byte(text), pgtypes.Text)
	}
	o.check("text[]", 0, []byte(words(1, 0, 25, 1, 1, 2)+"\xe9\xe9"), pgtypes.Binary)
}
