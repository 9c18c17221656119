package pgexpr_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgexpr"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/internal/secret"
	"github.com/pgseal/pgseal/policy"
)

var env = pgtypes.NewEnv(pgtypes.Settings{DateStyle: "ISO, MDY", IntervalStyle: "postgres", TimeZone: "UTC", ClientEncoding: "UTF8"})

func typeOf(t *testing.T, name string) policy.Type {
	t.Helper()
	typ, err := policy.ParseType(name)
	if err != nil {
		t.Fatal(err)
	}
	return typ
}

// run computes with the package what a chain of steps makes of a value.
func run(from policy.Type, steps []pgexpr.Step, value string) (string, error) {
	codec, err := pgtypes.For(from)
	if err != nil {
		return "", err
	}
	canonical, err := codec.Canonical(nil, []byte(value), pgtypes.Text, env)
	if err != nil {
		return "", err
	}
	p, err := pgexpr.Compile(steps, nil)
	if err != nil {
		return "", err
	}
	var s pgexpr.Scratch
	out, null, err := p.Run(&s, canonical, false, env)
	if err != nil || null {
		return "NULL", err
	}
	last, err := pgtypes.For(steps[len(steps)-1].Type())
	if err != nil {
		return "", err
	}
	text, err := last.Append(nil, out, pgtypes.Binary, env)
	return hex.EncodeToString(text), err
}

type oracle struct {
	t       *testing.T
	conn    *pgconn.PgConn
	counted int
}

func newOracle(t *testing.T) *oracle {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return &oracle{t: t, conn: conn}
}

// check compares the steps with an expression of the value, which is $1.
func (o *oracle) check(from, sql string, steps []pgexpr.Step, value string) {
	o.t.Helper()
	o.counted++
	expression := "SELECT " + fmt.Sprintf(sql, "$1::text::"+from)
	r := o.conn.ExecParams(o.t.Context(), expression, [][]byte{[]byte(value)}, nil, nil, []int16{1}).Read()
	want := "NULL"
	var theirs *pgconn.PgError
	switch {
	case errors.As(r.Err, &theirs):
		want = theirs.Code + " " + theirs.Message
	case r.Err != nil:
		o.t.Fatal(r.Err)
	case r.Rows[0][0] != nil:
		want = hex.EncodeToString(r.Rows[0][0])
	}
	got, err := run(typeOf(o.t, from), steps, value)
	var own *pgerr.Error
	switch {
	case errors.As(err, &own):
		got = own.Code + " " + own.Message
	case err != nil:
		got = err.Error()
	}
	if got != want {
		o.t.Errorf("%s of %q:\n got %s\nwant %s", expression, value, got, want)
	}
}

func number(n int) pgexpr.Arg {
	a := pgexpr.Arg{OID: pgexpr.OIDInt4}
	a.Text = secret.Text(strconv.Itoa(n))
	return a
}

// TestFunctions compares lengths and parts of text and bytes with Postgres.
func TestFunctions(t *testing.T) {
	o := newOracle(t)
	random := rand.New(rand.NewPCG(1, 2))
	letters := []string{"a", "b ", "é", "語", "😀", " ", "", "xyz"}
	texts := []string{"", "abc", "日本語テキスト", "ab   ", " ", strings.Repeat("x", 300), "é"}
	for range 20 {
		var b strings.Builder
		for range random.IntN(8) {
			b.WriteString(letters[random.IntN(len(letters))])
		}
		texts = append(texts, b.String())
	}
	numbers := []int{0, 1, 2, 3, 5, 100, -1, -2, -5, -100, 2147483647, -2147483648}
	for _, from := range []string{"text", "varchar(400)", "char(12)", "bytea"} {
		values := texts
		if from == "bytea" {
			values = []string{"", `\x`, `\x00`, `\x0102030405`, `\xff00ff`}
		}
		for _, name := range []string{"length", "char_length", "character_length", "octet_length"} {
			steps, ok := pgexpr.Function(name, typeOf(t, from), nil)
			if wanted := from != "bytea" || name == "length" || name == "octet_length"; ok != wanted {
				t.Errorf("%s(%s): %v", name, from, ok)
			}
			for _, value := range values {
				if ok && (from != "char(12)" || len([]rune(value)) <= 12) {
					o.check(from, name+"(%s)", steps, value)
				}
			}
		}
		for _, name := range []string{"left", "right", "substr", "substring"} {
			for _, n := range numbers {
				steps, ok := pgexpr.Function(name, typeOf(t, from), []pgexpr.Arg{number(n)})
				if wanted := from != "bytea" || strings.HasPrefix(name, "sub"); ok != wanted {
					t.Errorf("%s(%s): %v", name, from, ok)
				}
				for _, value := range values {
					if ok && (from != "char(12)" || len([]rune(value)) <= 12) {
						o.check(from, fmt.Sprintf("%s(%%s, %d)", name, n), steps, value)
					}
				}
			}
		}
		for _, start := range numbers {
			for _, length := range numbers {
				steps, ok := pgexpr.Function("substr", typeOf(t, from), []pgexpr.Arg{number(start), number(length)})
				if !ok {
					t.Fatalf("substr(%s, …)", from)
				}
				for _, value := range values[:5] {
					o.check(from, fmt.Sprintf("substr(%%s, %d, %d)", start, length), steps, value)
				}
			}
		}
	}
	t.Logf("%d values compared", o.counted)
}

// TestChains compares chains of fields and casts.
func TestChains(t *testing.T) {
	o := newOracle(t)
	text := func(s string) pgexpr.Arg {
		return pgexpr.Arg{OID: pgexpr.OIDUnknown, Text: secret.Text(s)}
	}
	for _, from := range []string{"json", "jsonb"} {
		for _, tt := range []struct {
			sql   string
			chain []any // a cast's type, or an operator and its argument, or a function and its argument
		}{
			{"(%s->'a'->>'b')::int", []any{"->", text("a"), "->>", text("b"), "::int4"}},
			{"(%s->'c'->>-1)::numeric(4,1)", []any{"->", text("c"), "->>", number(-1), "::numeric(4,1)"}},
			{"left((%s->>'t')::varchar(5), 3)", []any{"->>", text("t"), "::varchar(5)", "left", number(3)}},
			{"length(%s::text)", []any{"::text", "length"}},
			{"COALESCE(%s->>'t', 'it''s none')", []any{"->>", text("t"), "COALESCE", text("it's none")}},
			{"COALESCE((%s->'a'->>'b')::varchar(3), 'longer')", []any{"->", text("a"), "->>", text("b"), "::varchar(3)", "COALESCE", text("longer")}},
			{"length(COALESCE(%s->'c', '[1]')::text)", []any{"->", text("c"), "COALESCE", text("[1]"), "::text", "length"}},
			{"(%s->>'d')::date", []any{"->>", text("d"), "::date"}},
			{"(%s->>'t')::bool", []any{"->>", text("t"), "::bool"}},
			{"(%s->'a')::json::text::jsonb", []any{"->", text("a"), "::json", "::text", "::jsonb"}},
		} {
			at := typeOf(t, from)
			var steps []pgexpr.Step
			for i := 0; i < len(tt.chain); i++ {
				name := tt.chain[i].(string)
				var args []pgexpr.Arg
				if i+1 < len(tt.chain) {
					if a, ok := tt.chain[i+1].(pgexpr.Arg); ok {
						args = []pgexpr.Arg{a}
						i++
					}
				}
				var next []pgexpr.Step
				ok := true
				switch to, cast := strings.CutPrefix(name, "::"); {
				case cast:
					s, err := pgexpr.Cast(at, typeOf(t, to), 0)
					next, ok = []pgexpr.Step{s}, err == nil
				case name == "COALESCE":
					s, fits := pgexpr.Default(at, args[0])
					next, ok = []pgexpr.Step{s}, fits
				case strings.HasPrefix(name, "-"):
					s, fits := pgexpr.Operator(name, at, args[0])
					next, ok = []pgexpr.Step{s}, fits
				default:
					next, ok = pgexpr.Function(name, at, args)
				}
				if !ok {
					t.Fatalf("%s: no %s of %s", tt.sql, name, at)
				}
				steps = append(steps, next...)
				at = steps[len(steps)-1].Type()
			}
			for _, value := range []string{
				`{"a": {"b": "42", "x":  1}, "c": [1, 2, 3.25], "t": "true", "d": "2024-02-29"}`, `{"a": {"b": "x"}, "c": [], "t": "日本語テキスト"}`,
				`{"a": {"b": null}, "c": [12345]}`, `{}`, `[]`, `1`, `{"a": {"b": 99999999999}, "t": "off"}`,
			} {
				o.check(from, tt.sql, steps, value)
			}
		}
	}
	t.Logf("%d values compared", o.counted)
}
