package rewrite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/internal/pgtest"
)

// TestOracle asks a real Postgres about every statement of the corpus that is
// forwarded: it must parse there as rewritten, return the columns that the plan
// says, with the sealed ones where the plan says, and take sealed values for the
// parameters that the plan says and no others.
func TestOracle(t *testing.T) {
	ctx := context.Background()
	conn, err := pgconn.Connect(ctx, pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, fixtureSQL).ReadAll(); err != nil {
		t.Fatal(err)
	}
	o := &oracle{t: t, conn: conn, sealed: map[string]bool{}}
	o.readSealed(ctx)

	snapshot := fixture()
	snapshot.Relation("pg_catalog", "pg_attribute").Columns = o.attributeColumns(ctx) // they differ by version
	r := New(snapshot, Limits{})
	for _, g := range corpus(t) {
		if !slices.Contains(g.env().SearchPath, "public") || slices.Contains(g.env().SearchPath, "other") {
			continue
		}
		p := r.Plan(g.text, g.env())
		for i := range p.Statements {
			if p.Statements[i].Refusal == nil {
				o.statement(ctx, g.text, &p.Statements[i], g.env().Raw)
			}
		}
	}
	if o.compared < 200 {
		t.Errorf("only %d statements were compared", o.compared)
	}
	t.Logf("%d statements compared, %d are errors in Postgres too", o.compared, o.rejected)
}

type oracle struct {
	t        *testing.T
	conn     *pgconn.PgConn
	domain   uint32
	array    uint32          // of the domain
	sealed   map[string]bool // "table oid.attnum" of a column of the sealed type that the policy names
	compared int
	rejected int
}

func (o *oracle) readSealed(ctx context.Context) {
	results, err := o.conn.Exec(ctx, `SELECT 'pgseal.sealed'::regtype::oid, attrelid, attnum, 'pgseal.sealed[]'::regtype::oid FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
		WHERE atttypid = 'pgseal.sealed'::regtype AND relname <> 'orphans'`).ReadAll()
	if err != nil {
		o.t.Fatal(err)
	}
	for _, row := range results[0].Rows {
		_, _ = fmt.Sscan(string(row[0]), &o.domain)
		_, _ = fmt.Sscan(string(row[3]), &o.array)
		o.sealed[string(row[1])+"."+string(row[2])] = true
	}
	if o.domain == 0 {
		o.t.Fatal("no sealed columns")
	}
}

func (o *oracle) attributeColumns(ctx context.Context) []*catalog.Column {
	results, err := o.conn.Exec(ctx, "SELECT attname, atttypid FROM pg_attribute WHERE attrelid = 'pg_attribute'::regclass AND attnum > 0 ORDER BY attnum").ReadAll()
	if err != nil {
		o.t.Fatal(err)
	}
	var columns []*catalog.Column
	for _, row := range results[0].Rows {
		c := &catalog.Column{Name: string(row[0])}
		_, _ = fmt.Sscan(string(row[1]), &c.TypeOID)
		columns = append(columns, c)
	}
	return columns
}

// allowed are the errors that a statement of the corpus may have in Postgres:
// the plan lets it through because Postgres is to answer.
var allowed = map[string]string{
	"42P01": "a relation that does not exist",
	"42703": "a column that does not exist",
	"42883": "a function that does not exist",
	"42725": "a function whose arguments have no type",
	"42704": "an object that does not exist",
	"42702": "an ambiguous name",
	"42601": "syntax of Postgres 16 and later, or a wrong number of values",
	"42803": "an ungrouped column",
	"42804": "a type that does not fit in a column that is not sealed",
	"42701": "a column that is assigned twice",
	"26000": "a prepared statement that does not exist",
	"0A000": "what Postgres does not do either",
	"42P10": "no unique constraint to match ON CONFLICT",
	"42P16": "a definition that Postgres does not take",
	"42P18": "a parameter without a type",
	"42P19": "a recursive query that is not well-formed",
	"34000": "a cursor that does not exist",
	"42809": "an object of another kind",
	"428C9": "a generated column that is assigned",
	"54011": "too many columns",
}

// statement has Postgres analyse a statement as it is sent. In raw mode no output is
// opened.
func (o *oracle) statement(ctx context.Context, text string, st *Statement, raw bool) {
	sent, err := Splice(nil, text, st, func(dst []byte, i int) ([]byte, error) {
		if st.Literals[i].Array {
			return append(dst, `'{"\\x5ea100"}'::pgseal.sealed[]`...), nil
		}
		dst = append(dst, `'\x5ea100'`...)
		if st.Literals[i].Cast {
			dst = append(dst, "::pgseal.sealed"...)
		}
		return dst, nil
	}, func(dst []byte, _ int) ([]byte, error) { return append(dst, "'7'::pg_catalog.text"...), nil })
	if err != nil {
		o.t.Fatal(err)
	}
	sql := strings.TrimSpace(string(sent))
	desc, err := o.conn.Prepare(ctx, "", sql, nil)
	if err != nil {
		var e *pgconn.PgError
		if !errors.As(err, &e) || allowed[e.Code] == "" {
			o.t.Errorf("%s\nsent as %s\n%v", text, sql, err)
		}
		o.rejected++
		if len(st.Literals)+len(st.Params)+len(st.Outputs) > 0 {
			o.t.Logf("rejected: %s: %v", sql, err)
		}
		return
	}
	o.compared++
	if st.NumOutputs >= 0 && st.NumOutputs != len(desc.Fields) {
		o.t.Errorf("%s\nhas %d outputs, the plan says %d", text, len(desc.Fields), st.NumOutputs)
		return
	}
	for i, f := range desc.Fields {
		planned := slices.ContainsFunc(st.Outputs, func(out Output) bool { return out.Index == i && !out.Array })
		array := slices.ContainsFunc(st.Outputs, func(out Output) bool { return out.Index == i && out.Array })
		isSealed := o.sealed[fmt.Sprintf("%d.%d", f.TableOID, f.TableAttributeNumber)]
		switch {
		case planned && f.DataTypeOID != 17:
			o.t.Errorf("%s\noutput %d has type %d, the plan has it sealed", text, i, f.DataTypeOID)
		case array && f.DataTypeOID != o.array && f.DataTypeOID != 1001:
			o.t.Errorf("%s\noutput %d has type %d, the plan has it an array of sealed values", text, i, f.DataTypeOID)
		case !planned && isSealed && st.NumOutputs >= 0 && !raw:
			o.t.Errorf("%s\noutput %d is a sealed column, the plan does not say so", text, i)
		}
	}
	for i, oid := range desc.ParamOIDs {
		want := uint32(0)
		for _, p := range st.Params {
			if p.Number == i+1 && p.Array {
				want = o.array
			} else if p.Number == i+1 {
				want = o.domain
			}
		}
		if want != oid && (want != 0 || oid == o.domain || oid == o.array) {
			o.t.Errorf("%s\n$%d has type %d, the plan has it sealed as %d", text, i+1, oid, want)
		}
	}
	if len(st.Literals) > 0 && len(desc.ParamOIDs) == 0 {
		o.run(ctx, sql)
	}
}

// run runs a statement that writes literals, and undoes it: the literals must
// take the place of those that were there.
func (o *oracle) run(ctx context.Context, sql string) {
	_, err := o.conn.Exec(ctx, "BEGIN; "+sql+"\n; ROLLBACK").ReadAll()
	if err == nil {
		return
	}
	_, _ = o.conn.Exec(ctx, "ROLLBACK").ReadAll()
	var e *pgconn.PgError
	if !errors.As(err, &e) || e.Code != "42P10" && e.Code != "42704" && e.Code != "22P02" && e.Code != "34000" {
		o.t.Errorf("%s: %v", sql, err)
	}
}
