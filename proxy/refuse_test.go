package proxy

import (
	"bytes"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgseal/pgseal/internal/pgerr"
)

func TestPositionsMapToTheClientsText(t *testing.T) {
	// "é" is one character of two bytes.
	m := positionMap{
		text:     `INSERT INTO é VALUES ('ab', 1, 'cd', x)`,
		replaced: []replacedRange{{23, 27, 100}, {32, 36, 50}},
	}
	tests := []struct {
		name         string
		server, want int
	}{
		{"the start", 1, 1},
		{"behind a character of two bytes", 15, 15},
		{"where the first replacement starts", 23, 23},
		{"inside the first replacement", 60, 23},
		{"just behind it", 123, 27},
		{"inside the second", 130, 32},
		{"just behind it", 178, 36},
		{"the name at the end", 180, 38},
		{"beyond the end", 1000, 40},
		{"none", 0, 0},
	}
	for _, test := range tests {
		// Positions of the fixture count characters, ranges bytes.
		if got := m.toClient(test.server); got != test.want {
			t.Errorf("%s: position %d maps to %d, want %d", test.name, test.server, got, test.want)
		}
	}
}

func TestErrorFieldsOfRefusals(t *testing.T) {
	e := &pgerr.Error{
		Code: pgerr.FeatureNotSupported, Message: "m", Detail: "d", Hint: "h", Anchor: "a", Position: 7,
		Schema: "s", Table: "t", Column: "c",
	}
	raw, err := appendError(nil, "ERROR", e)
	if err != nil {
		t.Fatal(err)
	}
	body := raw[headerSize:]
	for field, want := range map[byte]string{'S': "ERROR", 'V': "ERROR", 'C': "0A000", 'M': "m", 'D': "d", 'P': "7", 's': "s", 't': "t", 'c': "c", 'X': ""} {
		if got := string(errorField(body, field)); got != want {
			t.Errorf("field %c is %q, want %q", field, got, want)
		}
	}
	if hint := errorField(body, 'H'); !bytes.HasPrefix(hint, []byte("h See https://")) || !bytes.HasSuffix(hint, []byte("#a")) {
		t.Errorf("the hint does not lead to the documentation: %s", hint)
	}
}

func TestIsRefusal(t *testing.T) {
	tests := []struct {
		name string
		err  pgproto3.ErrorResponse
		want bool
	}{
		{"our column", pgproto3.ErrorResponse{Code: "42703", Message: `column "pgseal: refused" does not exist`}, true},
		{"another column", pgproto3.ErrorResponse{Code: "42703", Message: `column "x" does not exist`}, false},
		{"the transaction is aborted", pgproto3.ErrorResponse{Code: "25P02", Message: "current transaction is aborted"}, false},
		{"our domain", pgproto3.ErrorResponse{Code: "23514", SchemaName: "pgseal", DataTypeName: "sealed"}, true},
		{"another domain", pgproto3.ErrorResponse{Code: "23514", SchemaName: "public", DataTypeName: "sealed"}, false},
		{"our CopyFail", pgproto3.ErrorResponse{Code: "57014", Message: "COPY from stdin failed: pgseal: refused"}, true},
		{"a cancel", pgproto3.ErrorResponse{Code: "57014", Message: "canceling statement due to user request"}, false},
	}
	for _, test := range tests {
		raw, err := test.err.Encode(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := isRefusal(raw[headerSize:]); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}
