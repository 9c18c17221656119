package pgtypes_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/policy"
)

// castValues are values of each type that is cast, as text.
var castValues = map[string][]string{
	"text":           {"", " ", "abc", "abc  ", "日本語テキスト", "1", " 42 ", "-7", "1.5", "2.5", "1e3", "99999999999", "NaN", "Infinity", "t", "off", "{}", `{"b":1, "a":[2]}`, "[1", "null", "2024-01-02", "2024-01-02 03:04:05.678", "2024-07-01 22:30+02", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", `\x00ff`, `a\\b`, "0.00012345678", "123456.789"},
	"varchar(20)":    {"", "abc  ", "1", "日本語テキスト", "true"},
	"char(8)":        {"", "abc", "1", "日本語", "t", "2024-1-2", "1.5"},
	"json":           {`{"b":1,  "a":2, "b":3}`, "null", "1", ` [1, 2]`, `"x"`},
	"jsonb":          {`{"b":1, "a":2}`, "null", "1", "0", "1.50", "-2.5", "2.5", "32768", "1e20", "1e400", "true", "false", `"x"`, `"1"`, "[1]", "{}"},
	"bytea":          {`\x00ff`, ``, `\xff`, `\x80000000`, `\x0102030405`, `\xffffffffffffffff`, `\x000000000000000001`},
	"bool":           {"t", "f"},
	"int2":           {"0", "7", "-32768"},
	"int4":           {"0", "1", "123456789", "-40000"},
	"int8":           {"0", "-1", "40000", "3000000000", "-9223372036854775808", "9007199254740993"},
	"float4":         declaredTexts[700],
	"float8":         declaredTexts[701],
	"numeric":        declaredTexts[1700],
	"numeric(6,2)":   {"1234.56", "-0.5", "0"},
	"uuid":           declaredTexts[2950],
	"date":           declaredTexts[1082],
	"timestamp":      declaredTexts[1114],
	"timestamp(3)":   declaredTexts[1114],
	"timestamptz":    declaredTexts[1184],
	"timestamptz(0)": declaredTexts[1184],
	"interval":       {"1 day 02:03:04.567891", "-1 year 3 mons", "0", "25:00", "-00:00:01"},
	"time":           {"10:11:12.345678", "24:00:00", "00:00"},
	"time(2)":        {"10:11:12.345678"},
	"timetz":         {"10:11:12.345678+02", "23:59:59.999999-12"},
	"interval(2)":    {"1 day 02:03:04.567891"},
	"inet":           {"1.2.3.4", "1.2.3.4/24", "10.0.0.0/8", "::1", "2001:db8::/32"},
	"cidr":           {"10.0.0.0/8", "1.2.3.4", "::/0"},
	"macaddr":        {"08:00:2b:01:02:03"},
	"text[]":         {"{}", "{a,NULL,\"b c\"}", "{1,2}", "[2:3]={x,y}"},
	"int4[]":         {"{}", "{1,NULL,70000}", "[0:1]={7,8}"},
	"varchar(3)[]":   {"{abc,NULL}"},
	"numeric[]":      {"{1.5,2.25}"},
}

// castTargets are the types that all of them are cast to.
var castTargets = []string{
	"text", "varchar", "varchar(2)", "varchar(20)", "char", "char(3)", "bpchar", "json", "jsonb", "bytea", "bool", "int2", "int4", "int8", "float4", "float8",
	"interval", "interval(1)", "time", "time(1)", "timetz", "timetz(0)", "inet", "cidr", "macaddr", "text[]", "int4[]", "int2[]", "varchar(2)[]", "numeric(4,1)[]", "jsonb[]",
	"numeric", "numeric(6,2)", "numeric(3,-2)", "uuid", "date", "timestamp", "timestamp(0)", "timestamptz", "timestamptz(1)",
}

// castExplicitly casts a value that is given as text, with the package.
func castExplicitly(from, to, text string, out pgtypes.Format, env *pgtypes.Env, version int) ([]byte, error) {
	source, err := policy.ParseType(from)
	if err != nil {
		return nil, err
	}
	target, err := policy.ParseType(to)
	if err != nil {
		return nil, err
	}
	if to == "bpchar" {
		target = policy.Bpchar
	}
	c, err := pgtypes.CastFor(source, target, pgtypes.ExplicitCast, version)
	if err != nil {
		return nil, err
	}
	reader, err := pgtypes.For(source)
	if err != nil {
		return nil, err
	}
	writer, err := pgtypes.For(target)
	if err != nil {
		return nil, err
	}
	canonical, err := reader.Canonical(nil, []byte(text), pgtypes.Text, env)
	if err != nil {
		return nil, err
	}
	value, err := c.Append([]byte("before"), canonical, env)
	if pgtypes.GivesNull(err) {
		return nil, nil
	}
	if err != nil {
		if string(value) != "before" {
			return nil, errors.New("something was appended beside an error")
		}
		return nil, err
	}
	return writer.Append([]byte{}, []byte(strings.TrimPrefix(string(value), "before")), out, env)
}

// TestCast casts each value of each type to each type, explicitly.
func TestCast(t *testing.T) {
	eachVersion(t, func(o *oracle) {
		zones := []string{"Europe/Berlin"}
		if o.version == 15 {
			zones = append(zones, "UTC")
		}
		for _, zone := range zones {
			o.exec("SET TimeZone = '" + zone + "'; SET DateStyle = 'ISO, DMY'")
			for from, list := range castValues {
				for _, to := range castTargets {
					if o.version == 14 && strings.Contains(to, ",-") { // a scale below zero is not to be written there
						continue
					}
					for _, text := range list {
						o.checkCast(from, to, text)
					}
				}
			}
		}
		o.t.Logf("%d values compared with Postgres %d", o.counted, o.version)
	})
}

func (o *oracle) checkCast(from, to, text string) {
	o.t.Helper()
	for _, f := range formats {
		mine, err := castExplicitly(from, to, text, f, o.env(), o.version)
		got := describe(mine, err, f)
		o.counted++
		r := o.conn.ExecParams(o.t.Context(), "SELECT $1::text::"+from+"::"+to, [][]byte{[]byte(text)}, nil, nil, []int16{int16(f)}).Read()
		var theirs []byte
		if r.Err == nil {
			theirs = r.Rows[0][0]
		}
		want := describe(theirs, r.Err, f)
		switch e := (*pgerr.Error)(nil); {
		case !errors.As(err, &e) || e.Code != pgerr.FeatureNotSupported:
		case r.Err != nil && !strings.HasPrefix(want, "ERROR 42846"): // text that docs/types.md says is refused, Postgres refuses here too
			continue
		case strings.HasPrefix(to, "timetz"): // as docs/types.md says: of a zone of today
			continue
		}
		if got != want {
			o.t.Errorf("%s %q to %s, format %d:\n got %s\nwant %s", from, text, to, f, cut(got), cut(want))
		}
	}
}

// TestCastContexts holds the contexts of casts to pg_cast, and to the rule for
// those that go by the value's text.
func TestCastContexts(t *testing.T) {
	o := newOracle(t)
	var kinds []string
	for oid, name := range castKinds {
		kinds = append(kinds, fmt.Sprintf("(%d,'%s')", oid, name))
	}
	rows := o.conn.ExecParams(t.Context(), "WITH k(oid, name) AS (VALUES "+strings.Join(kinds, ",")+") "+
		"SELECT f.name, t.name, CASE WHEN c.oid IS NOT NULL THEN c.castcontext WHEN f.oid = t.oid THEN 'i' "+
		"WHEN tt.typcategory = 'S' THEN 'a' WHEN ft.typcategory = 'S' THEN 'e' ELSE 'n' END "+
		"FROM k f CROSS JOIN k t JOIN pg_type ft ON ft.oid = f.oid JOIN pg_type tt ON tt.oid = t.oid "+
		"LEFT JOIN pg_cast c ON c.castsource = f.oid AND c.casttarget = t.oid AND f.oid <> t.oid", nil, nil, nil, nil).Read()
	if rows.Err != nil {
		t.Fatal(rows.Err)
	}
	contexts := []pgtypes.CastContext{pgtypes.ImplicitCast, pgtypes.AssignmentCast, pgtypes.ExplicitCast}
	for _, row := range rows.Rows {
		from, to, want := policy.Type{Kind: policy.Kind(row[0])}, policy.Type{Kind: policy.Kind(row[1])}, string(row[2])
		got := "n"
		for i := len(contexts) - 1; i >= 0; i-- {
			var e *pgerr.Error
			if _, err := pgtypes.CastFor(from, to, contexts[i], o.version); err == nil || errors.As(err, &e) && e.Code == pgerr.FeatureNotSupported {
				got = "iae"[i : i+1]
			}
		}
		if got != want {
			t.Errorf("%s to %s: %s, want %s", from, to, got, want)
		}
	}
	if len(rows.Rows) != len(castKinds)*len(castKinds) {
		t.Errorf("%d pairs", len(rows.Rows))
	}
}

// castKinds are the base types that a sealed column can have, by OID.
var castKinds = map[uint32]policy.Kind{
	25: policy.Text, 1043: policy.Varchar, 1042: policy.Char, 114: policy.JSON, 3802: policy.JSONB, 17: policy.Bytea, 16: policy.Bool,
	21: policy.Int2, 23: policy.Int4, 20: policy.Int8, 700: policy.Float4, 701: policy.Float8, 1700: policy.Numeric, 2950: policy.UUID,
	1082: policy.Date, 1083: policy.Time, 1266: policy.TimeTZ, 1114: policy.Timestamp, 1184: policy.TimestampTZ, 1186: policy.Interval,
	869: policy.Inet, 650: policy.CIDR, 829: policy.MACAddr,
}
