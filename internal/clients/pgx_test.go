package clients_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/internal/clienttest"
)

// pgxClient is pgx: every statement prepared and cached by default, binary both
// ways; its other modes on request.
type pgxClient struct {
	*clienttest.Player
	ctx    context.Context
	conn   *pgx.Conn
	dsn    string
	notice func(*pgconn.Notice)
}

func playPgx(t *testing.T, dsn string) string {
	t.Helper()
	c := &pgxClient{Player: &clienttest.Player{}, ctx: t.Context(), dsn: dsn, notice: func(*pgconn.Notice) {}}
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { c.notice(n) }
	if c.conn, err = pgx.ConnectConfig(c.ctx, config); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.conn.Close(context.Background()) }()
	c.Out.WriteString("version\t" + clienttest.ModuleVersion(t, "github.com/jackc/pgx/v5") + "\n")
	c.Feature("connect", c.connect)
	c.Feature("types", c.types)
	c.Feature("nulls", c.nulls)
	c.Feature("returning", c.returning)
	c.Feature("prepared", c.prepared)
	c.Feature("batch", c.batch)
	c.Feature("pipeline", c.pipeline)
	c.Feature("copy in", c.copyIn)
	c.Feature("copy out", c.copyOut)
	c.Feature("cursors", c.cursors)
	c.Feature("transactions", c.transactions)
	c.Feature("errors", c.errors)
	c.Feature("cancel", c.cancel)
	c.Feature("notify", c.notify)
	c.Feature("notices", c.notices)
	c.Feature("big values", c.bigValues)
	return c.Out.String()
}

// wholeRow are values for all sealed columns of items, in the table's order.
var wholeRow = []any{
	"secret text: Grüße, 'quoted' \\ back", "secret varchar", "sec", map[string]any{"secret": []any{1, 2.5}}, map[string]any{"secret": "json", "a": 1},
	[]byte("\x00\xffsecret bytes\\"), true, int16(-32768), int32(2147483647), int64(-9223372036854775808), float32(1.5), 0.1,
	"12345678901234567890.0123456789", "0f0e0d0c-0b0a-0908-0706-050403020100", time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC),
	time.Date(2024, 2, 29, 12, 34, 56, 789012000, time.UTC), time.Date(2024, 2, 29, 12, 34, 56, 789012000, time.UTC),
}

func sealedNames() string {
	var names []string
	for _, c := range sealedColumns {
		names = append(names, c.Name)
	}
	return strings.Join(names, ", ")
}

// insertRow is the statement that takes a whole row behind id and org.
func insertRow() string {
	places := make([]string, len(wholeRow)+2)
	for i := range places {
		places[i] = fmt.Sprintf("$%d", i+1)
	}
	return "INSERT INTO items (id, org, " + sealedNames() + ") VALUES (" + strings.Join(places, ", ") + ")"
}

// rows shows a result, row by row.
func (c *pgxClient) rows(rows pgx.Rows, err error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return err
		}
		c.Show(values...)
	}
	return rows.Err()
}

func (c *pgxClient) query(sql string, args ...any) error {
	return c.rows(c.conn.Query(c.ctx, sql, args...))
}

func (c *pgxClient) exec(sql string, args ...any) error {
	tag, err := c.conn.Exec(c.ctx, sql, args...)
	if err == nil {
		c.Show(tag.String())
	}
	return err
}

// explain shows an error of the server's that must be there.
func (c *pgxClient) explain(err error) error {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return errors.Join(clienttest.Expect(err), err)
	}
	c.Show(e.Severity, e.Code, e.Message, e.Detail, e.Hint, e.Position, e.ConstraintName)
	return nil
}

func (c *pgxClient) connect() error {
	for _, name := range []string{"server_version", "server_encoding", "DateStyle", "TimeZone"} {
		c.Show(c.conn.PgConn().ParameterStatus(name))
	}
	return c.query("SELECT current_user::text")
}

func (c *pgxClient) types() error {
	if err := c.exec(insertRow(), append([]any{1, "acme"}, wholeRow...)...); err != nil {
		return err
	}
	sql := "SELECT " + sealedNames() + " FROM items WHERE id = $1"
	described, err := c.conn.Prepare(c.ctx, "described", insertRow())
	if err != nil {
		return err
	}
	c.Show(described.ParamOIDs)
	modes := []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	}
	for i, mode := range modes {
		rows, err := c.conn.Query(c.ctx, sql, mode, 1)
		if err != nil {
			return err
		}
		for _, f := range rows.FieldDescriptions() {
			c.Show(f.Name, f.DataTypeOID, f.DataTypeSize, f.TypeModifier, f.Format)
		}
		if err := c.rows(rows, nil); err != nil {
			return err
		}
		args := []any{mode, 90 + i, "acme", "secret by mode", []byte("secret"), int32(7), time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC)}
		if err := c.exec("INSERT INTO items (id, org, t, raw, i4, day) VALUES ($1, $2, $3, $4, $5, $6)", args...); err != nil {
			return err
		}
	}
	return c.query("SELECT id, t, raw, i4, day FROM items WHERE id BETWEEN 90 AND 99 ORDER BY id")
}

func (c *pgxClient) nulls() error {
	if err := c.exec(insertRow(), append([]any{2, "acme"}, make([]any, len(wholeRow))...)...); err != nil {
		return err
	}
	return c.query("SELECT " + sealedNames() + " FROM items WHERE id = 2 AND t IS NULL")
}

func (c *pgxClient) returning() error {
	return errors.Join(
		c.query("INSERT INTO items (id, org, t, jb) VALUES (3, 'globex', $1, $2) RETURNING id, t, jb", "secret returned", map[string]any{"secret": true}),
		c.query("UPDATE items SET t = $1 WHERE id = $2 AND org = $3 RETURNING t", "secret updated", 3, "globex"))
}

func (c *pgxClient) prepared() error {
	if _, err := c.conn.Prepare(c.ctx, "insert", "INSERT INTO items (id, org, t, f8) VALUES ($1, $2, $3, $4)"); err != nil {
		return err
	}
	for n := 200; n < 208; n++ {
		if err := c.exec("insert", n, "acme", fmt.Sprintf("secret %d", n), float64(n)/2); err != nil {
			return err
		}
		if err := c.query("SELECT id, t, f8 FROM items WHERE id = $1", n); err != nil {
			return err
		}
	}
	return c.conn.Deallocate(c.ctx, "insert")
}

func (c *pgxClient) batch() error {
	batch := &pgx.Batch{}
	for n := 10; n < 20; n++ {
		batch.Queue("INSERT INTO items (id, org, t, i4) VALUES ($1, 'acme', $2, $3)", n, fmt.Sprintf("secret batch %d", n), n)
	}
	batch.Queue("SELECT id, t, i4 FROM items WHERE id BETWEEN 10 AND 19 ORDER BY id").Query(func(rows pgx.Rows) error { return c.rows(rows, nil) })
	if err := c.conn.SendBatch(c.ctx, batch).Close(); err != nil {
		return err
	}
	failing := &pgx.Batch{}
	failing.Queue("INSERT INTO items (id, org, t) VALUES (20, 'acme', $1)", "secret undone")
	failing.Queue("INSERT INTO items (id, org, uid) VALUES (21, 'acme', 'no uuid')")
	failing.Queue("INSERT INTO items (id, org, t) VALUES (22, 'acme', $1)", "secret skipped")
	if err := c.explain(c.conn.SendBatch(c.ctx, failing).Close()); err != nil {
		return err
	}
	return c.query("SELECT count(*) FROM items WHERE id BETWEEN 20 AND 22")
}

func (c *pgxClient) pipeline() error {
	p := c.conn.PgConn().StartPipeline(c.ctx)
	for n := 70; n < 80; n++ {
		p.SendQueryParams("INSERT INTO items (id, org, t) VALUES ($1, 'acme', $2)", [][]byte{fmt.Append(nil, n), fmt.Appendf(nil, "secret pipeline %d", n)}, nil, nil, nil)
		if n == 75 {
			p.SendQueryParams("INSERT INTO items (id, org, i4) VALUES (1, 'acme', $1)", [][]byte{[]byte("no number")}, nil, nil, nil)
		}
		if err := p.Sync(); err != nil {
			return err
		}
	}
	for range 10 * 2 {
		switch result, err := p.GetResults(); result := result.(type) {
		case *pgconn.ResultReader:
			read := result.Read()
			c.Show(read.CommandTag.String())
			if read.Err != nil {
				if err := c.explain(read.Err); err != nil {
					return err
				}
			}
		case *pgconn.PipelineSync:
			c.Show("sync")
		default:
			if err != nil {
				if err := c.explain(err); err != nil {
					return err
				}
			}
		}
	}
	if err := p.Close(); err != nil {
		c.Show("closed with an error")
	}
	return c.query("SELECT id, t FROM items WHERE id BETWEEN 70 AND 79 ORDER BY id")
}

func (c *pgxClient) copyIn() error {
	rows := [][]any{append([]any{30, "acme"}, wholeRow...), append([]any{31, "globex"}, make([]any, len(wholeRow))...)}
	names := append([]string{"id", "org"}, strings.Split(sealedNames(), ", ")...)
	n, err := c.conn.CopyFrom(c.ctx, pgx.Identifier{"items"}, names, pgx.CopyFromRows(rows))
	if err != nil {
		return err
	}
	c.Show(n)
	tag, err := c.conn.PgConn().CopyFrom(c.ctx, strings.NewReader("id,org,t\n32,acme,\"secret, csv\"\n"), "COPY items (id, org, t) FROM STDIN (FORMAT csv, HEADER)")
	if err != nil {
		return err
	}
	c.Show(tag.String())
	_, err = c.conn.PgConn().CopyFrom(c.ctx, strings.NewReader("34\tacme\t1\n35\tacme\tno number\n"), "COPY items (id, org, i4) FROM STDIN")
	return errors.Join(c.explain(err), c.query("SELECT id, org, "+sealedNames()+" FROM items WHERE id BETWEEN 30 AND 35 ORDER BY id"))
}

func (c *pgxClient) copyOut() error {
	if err := c.exec("CREATE TABLE copied (id int PRIMARY KEY, org text NOT NULL, t text, jb jsonb)"); err != nil {
		return err
	}
	if err := c.exec("INSERT INTO copied VALUES (1, 'acme', $1, $2), (2, 'globex', NULL, NULL)", "secret\tout", map[string]any{"secret": 1}); err != nil {
		return err
	}
	for _, sql := range []string{
		"COPY copied TO STDOUT", "COPY copied (t, id) TO STDOUT (FORMAT csv, HEADER)", "COPY copied TO STDOUT (FORMAT binary)",
		"COPY (SELECT t, jb, id FROM copied ORDER BY id DESC) TO STDOUT",
	} {
		var out bytes.Buffer
		tag, err := c.conn.PgConn().CopyTo(c.ctx, &out, sql)
		if err != nil {
			return err
		}
		c.Show(tag.String(), fmt.Sprintf("%q", out.String()))
	}
	return nil
}

func (c *pgxClient) cursors() error {
	batch := &pgx.Batch{}
	for n := 100; n < 130; n++ {
		batch.Queue("INSERT INTO items (id, org, t) VALUES ($1, 'acme', $2)", n, fmt.Sprintf("secret row %d", n))
	}
	if err := c.conn.SendBatch(c.ctx, batch).Close(); err != nil {
		return err
	}
	return pgx.BeginFunc(c.ctx, c.conn, func(pgx.Tx) error {
		if err := c.exec("DECLARE named CURSOR FOR SELECT id, t FROM items WHERE id BETWEEN 100 AND 129 ORDER BY id"); err != nil {
			return err
		}
		for _, sql := range []string{"FETCH 3 FROM named", "MOVE 10 IN named", "FETCH NEXT FROM named", "FETCH ALL FROM named", "CLOSE named"} {
			if err := c.query(sql); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *pgxClient) transactions() error {
	err := pgx.BeginFunc(c.ctx, c.conn, func(pgx.Tx) error {
		err := c.exec("INSERT INTO items (id, org, t) VALUES (40, 'acme', 'secret gone')")
		_, bad := c.conn.Exec(c.ctx, "INSERT INTO items (id, org, i4) VALUES (41, 'acme', 'no number')")
		c.Show(string(c.conn.PgConn().TxStatus()))
		_, aborted := c.conn.Exec(c.ctx, "SELECT t FROM items")
		return errors.Join(err, c.explain(bad), c.explain(aborted), bad)
	})
	if err := c.explain(err); err != nil {
		return err
	}
	err = pgx.BeginFunc(c.ctx, c.conn, func(tx pgx.Tx) error {
		if err := c.exec("INSERT INTO items (id, org, t) VALUES (42, 'acme', $1)", "secret kept"); err != nil {
			return err
		}
		inner := pgx.BeginFunc(c.ctx, tx, func(pgx.Tx) error {
			return errors.Join(c.exec("UPDATE items SET t = $1 WHERE id = 42 AND org = 'acme'", "secret undone"), errors.New("roll back"))
		})
		c.Show(inner.Error())
		return nil
	})
	return errors.Join(err, c.query("SELECT id, t FROM items WHERE id BETWEEN 40 AND 42"))
}

// badStatements fail; each has its parameters behind it.
var badStatements = [][]any{
	{"SELEC 1"},
	{"SELECT nothing FROM items WHERE id = $1", 1},
	{"INSERT INTO items (id, org, t) VALUES ($1, 'acme', 'secret twice')", 1},
	{"INSERT INTO items (id, org, t) VALUES (50, $1, NULL)", nil},
	{"INSERT INTO items (id, org, uid) VALUES (51, 'acme', 'no uuid')"},
	{"INSERT INTO items (id, org, vc) VALUES (51, 'acme', $1)", "much longer than twenty characters"},
	{"INSERT INTO items (id, org, jb) VALUES (51, 'acme', $1)", []byte("{no json")},
	{"SELECT 1/$1::int", 0},
}

func (c *pgxClient) errors() error {
	for _, b := range badStatements {
		_, err := c.conn.Exec(c.ctx, b[0].(string), b[1:]...)
		if err := c.explain(err); err != nil {
			return err
		}
	}
	return nil
}

func (c *pgxClient) cancel() error {
	time.AfterFunc(500*time.Millisecond, func() { _ = c.conn.PgConn().CancelRequest(c.ctx) })
	_, err := c.conn.Exec(c.ctx, "SELECT pg_sleep(30)")
	return errors.Join(c.explain(err), c.query("SELECT t FROM items WHERE id = 42"))
}

func (c *pgxClient) notify() error {
	if err := c.exec("LISTEN channel"); err != nil {
		return err
	}
	other, err := pgx.Connect(c.ctx, c.dsn)
	if err != nil {
		return err
	}
	defer func() { _ = other.Close(c.ctx) }()
	if _, err := other.Exec(c.ctx, "NOTIFY channel, 'hello'"); err != nil {
		return err
	}
	n, err := c.conn.WaitForNotification(c.ctx)
	if err != nil {
		return err
	}
	c.Show(n.Channel, n.Payload)
	return nil
}

func (c *pgxClient) notices() error {
	c.notice = func(n *pgconn.Notice) { c.Show(n.Severity, n.Code, n.Message) }
	return errors.Join(c.exec("DO $$ BEGIN RAISE NOTICE 'from the server'; END $$"), c.exec("DROP TABLE IF EXISTS not_there"))
}

func (c *pgxClient) bigValues() error {
	if err := c.exec("INSERT INTO items (id, org, t, raw) VALUES (60, 'acme', $1, $2)", strings.Repeat("secret", 500000), bytes.Repeat([]byte("secret\x00"), 300000)); err != nil {
		return err
	}
	return c.query("SELECT t, raw FROM items WHERE id = 60")
}
