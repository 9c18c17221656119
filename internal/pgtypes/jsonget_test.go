package pgtypes_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/policy"
)

var jsonDocuments = []string{
	`{"a": 1, "b": {"c": [1, 2, {"d": null}], "e": "x\ty\u00e9\ud83d\ude00"}, "": "empty", "0": "zero", "long key": [[], {}, "s"]}`,
	`[1, "two", null, {"a": [10, 20, 30]}, [true, false], -1.50e3]`,
	`  {  "a" : [ 1 ,2 ] , "a":{"x" : 1},"a" :  "last"  }  `,
	`{"a":{"b":1},"a":{"c":2}}`, `{"a":{"b":1},"a":3}`, `{"a":[1,2],"a":[1,2,3]}`, `{"a":[],"a":[1,2,3]}`,
	`"text"`, ` 1 `, ` "x" `, ` null `, `null`, `true`, `[]`, `{}`, `[null]`, `[[[[[[1]]]]]]`, `"\u0000"`, `{"a": "\u0000"}`, `{"a":1, "b":"\ud800"}`, `["\"\\\/\b\f\n\r\t"]`,
}

// TestGetJSON asks for fields, elements and paths of documents.
func TestGetJSON(t *testing.T) {
	o := newOracle(t)
	keys := []string{"a", "b", "", "0", "-1", "long key", "x", "e"}
	paths := [][]string{
		{}, {"a"}, {"b", "c"}, {"b", "c", "-1", "d"}, {"b", "c", "0"}, {"b", "c", " 1"}, {"b", "c", "+1"}, {"b", "c", "1 "}, {"b", "e"}, {"3", "a", "-1"}, {"3", "a", "-4"},
		{"-1"}, {"0"}, {"5"}, {"-6"}, {"-7"}, {"0", "0", "0", "0", "0", "0"}, {"0", "0", "0", "0", "0", "0", "0"}, {"a", "b"}, {"a", "c"}, {"a", "-1"}, {"a", "x"}, {""}, {"99999999999"}, {"-2147483648"},
	}
	for _, typ := range []string{"json", "jsonb"} {
		for _, doc := range jsonDocuments {
			for _, asText := range []bool{false, true} {
				arrow := map[bool]string{false: ">", true: ">>"}[asText]
				for _, key := range keys {
					o.checkGet(typ, doc, asText, "$1::text::"+typ+" -"+arrow+" $2::text", key, pgtypes.KeyOf(key))
				}
				for _, i := range []int{0, 1, 5, 6, -1, -6, -7, 1000000, -2147483648} {
					o.checkGet(typ, doc, asText, "$1::text::"+typ+" -"+arrow+" $2::int", strconv.Itoa(i), pgtypes.IndexOf(i))
				}
				for _, path := range paths {
					var steps []pgtypes.JSONKey
					quoted := make([]string, len(path))
					for i, p := range path {
						steps, quoted[i] = append(steps, pgtypes.PathKey(p)), strconv.Quote(p)
					}
					o.checkGet(typ, doc, asText, "$1::text::"+typ+" #"+arrow+" $2::text[]", "{"+strings.Join(quoted, ",")+"}", steps...)
				}
			}
		}
	}
	t.Logf("%d values compared with Postgres %d", o.counted, o.version)
}

func (o *oracle) checkGet(typ, doc string, asText bool, sql, arg string, path ...pgtypes.JSONKey) {
	o.t.Helper()
	o.counted++
	want := "NULL"
	if r := o.conn.ExecParams(o.t.Context(), "SELECT "+sql, [][]byte{[]byte(doc), []byte(arg)}, nil, nil, nil).Read(); r.Err != nil || r.Rows[0][0] != nil {
		var value []byte
		if r.Err == nil {
			value = r.Rows[0][0]
		}
		want = describe(value, r.Err, pgtypes.Text)
	}
	got := func() string {
		t, err := policy.ParseType(typ)
		if err != nil {
			return err.Error()
		}
		c, err := pgtypes.For(t)
		if err != nil {
			return err.Error()
		}
		canonical, err := c.Canonical(nil, []byte(doc), pgtypes.Text, o.env())
		if err != nil {
			return describe(nil, err, pgtypes.Text)
		}
		out, null, err := pgtypes.GetJSON([]byte("x"), canonical, typ == "jsonb", asText, path)
		switch {
		case err != nil:
			return describe(nil, err, pgtypes.Text)
		case null && string(out) == "x":
			return "NULL"
		case null:
			return fmt.Sprintf("NULL and %q", out)
		}
		return string(out[1:])
	}()
	if got != want {
		o.t.Errorf("%s %q %s %q:\n got %s\nwant %s", typ, doc, sql, arg, got, want)
	}
}
