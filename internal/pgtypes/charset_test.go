package pgtypes_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/policy"
)

// encodings are those of one byte a character, by the names that the server reports,
// each with another name for it.
var encodings = map[string]string{
	"LATIN1": "iso-8859-1", "LATIN2": "ISO88592", "LATIN3": "iso_8859_3", "LATIN4": "latin4", "LATIN5": "ISO88599", "LATIN6": "ISO885910",
	"LATIN7": "ISO885913", "LATIN8": "ISO885914", "LATIN9": "ISO885915", "LATIN10": "ISO885916",
	"ISO_8859_5": "iso88595", "ISO_8859_6": "iso88596", "ISO_8859_7": "iso88597", "ISO_8859_8": "iso88598",
	"WIN1250": "windows1250", "WIN1251": "win", "WIN1252": "windows-1252", "WIN1253": "windows1253", "WIN1254": "windows1254", "WIN1255": "windows1255",
	"WIN1256": "windows1256", "WIN1257": "windows1257", "WIN1258": "windows1258", "WIN866": "alt", "WIN874": "windows874", "KOI8R": "koi8", "KOI8U": "koi8-u",
}

// outcome is text in hex, or an error's code and message.
func outcome(text []byte, err error) string {
	var ours *pgerr.Error
	var theirs *pgconn.PgError
	switch {
	case errors.As(err, &ours):
		return ours.Code + " " + ours.Message
	case errors.As(err, &theirs):
		return theirs.Code + " " + theirs.Message
	case err != nil:
		return err.Error()
	}
	return fmt.Sprintf("%x", text)
}

// TestEncodingsAgainstPostgres converts each byte of each encoding, and back, as
// Postgres does.
func TestEncodingsAgainstPostgres(t *testing.T) {
	o := newOracle(t)
	codec, err := pgtypes.For(policy.Type{Kind: policy.Text})
	if err != nil {
		t.Fatal(err)
	}
	if !pgtypes.Converts("UTF8") || !pgtypes.Converts("SQL_ASCII") || pgtypes.Converts("SJIS") || pgtypes.Converts("nonsense") {
		t.Error("Converts tells other encodings apart")
	}
	ask := func(sql string, value []byte) ([]byte, error) {
		r := o.conn.ExecParams(t.Context(), sql, [][]byte{value}, []uint32{25}, []int16{0}, []int16{1}).Read()
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Rows[0][0], nil
	}
	for name, alias := range encodings {
		o.exec("SET client_encoding = '" + alias + "'")
		if got := o.conn.ParameterStatus("client_encoding"); got != name {
			t.Errorf("%s is called %s", alias, got)
		}
		env, again := o.env(), pgtypes.NewEnv(pgtypes.Settings{DateStyle: "ISO, MDY", IntervalStyle: "postgres", TimeZone: "UTC", ClientEncoding: alias})
		for b := range 256 {
			sent := []byte{'x', byte(b), 'y'}
			want := outcome(ask("SELECT convert_to($1, 'UTF8')", sent))
			stored, err := codec.Canonical(nil, sent, pgtypes.Text, env)
			if got := outcome(stored, err); got != want {
				t.Errorf("%s: %x is stored as %s, by Postgres as %s", name, sent, got, want)
			}
			if other, err := codec.Canonical(nil, sent, pgtypes.Binary, again); b > 0 && outcome(other, err) != want {
				t.Errorf("%s: %x is stored as %s, by Postgres as %s", alias, sent, outcome(other, err), want)
			}
			if err != nil {
				continue
			}
			back, err := codec.Append(nil, stored, pgtypes.Text, env)
			if want := outcome(ask("SELECT $1", sent)); outcome(back, err) != want {
				t.Errorf("%s: %x comes back as %s, from Postgres as %s", name, sent, outcome(back, err), want)
			}
		}
		for _, r := range []string{"é", "ž", "日", "€", "Ж", "ש", "\u0080", "😀"} {
			o.exec("SET client_encoding = 'UTF8'")
			wantText, wantErr := ask("SELECT convert_to($1, '"+name+"')", []byte(r))
			o.exec("SET client_encoding = '" + alias + "'")
			got, err := codec.Append(nil, []byte(r), pgtypes.Text, env)
			if outcome(got, err) != outcome(wantText, wantErr) {
				t.Errorf("%s: %q is sent as %s, by Postgres as %s", name, r, outcome(got, err), outcome(wantText, wantErr))
			}
		}
	}
}
