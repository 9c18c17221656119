package wirescript

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgproto3"
)

func TestTextsThatAreQuoted(t *testing.T) {
	for line, want := range map[string]pgproto3.FrontendMessage{
		`Q SELECT 'a|b'`:                       &pgproto3.Query{String: "SELECT 'a|b'"},
		`Q "SELECT 'a|b'\n\"c\""`:              &pgproto3.Query{String: "SELECT 'a|b'\n\"c\""},
		`P s | SELECT $1 | 25`:                 &pgproto3.Parse{Name: "s", Query: "SELECT $1", ParameterOIDs: []uint32{25}},
		`P _ | "SELECT $1 ||\n 'x'" | 25 23`:   &pgproto3.Parse{Query: "SELECT $1 ||\n 'x'", ParameterOIDs: []uint32{25, 23}},
		`B _ s | 'a' NULL x'7c27' | 0 0 1 | 1`: &pgproto3.Bind{PreparedStatement: "s", Parameters: [][]byte{[]byte("a"), nil, []byte("|'")}, ParameterFormatCodes: []int16{0, 0, 1}, ResultFormatCodes: []int16{1}},
	} {
		got, err := Parse(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", line, diff)
		}
	}
}
