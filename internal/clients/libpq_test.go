package clients_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lib/pq"

	"github.com/pgseal/pgseal/internal/clienttest"
)

// pqClient is lib/pq under database/sql: simple protocol without parameters, else
// an unnamed statement a query, text both ways.
type pqClient struct {
	*clienttest.Player
	ctx  context.Context
	db   *sql.DB
	conn *sql.Conn
	dsn  string
}

func playPQ(t *testing.T, dsn string) string {
	t.Helper()
	c := &pqClient{Player: &clienttest.Player{}, ctx: t.Context(), dsn: dsn}
	connector, err := pq.NewConnector(dsn)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(pq.ConnectorWithNoticeHandler(connector, func(e *pq.Error) {
		if c.Name == "notices" {
			c.Show(e.Severity, string(e.Code), e.Message)
		}
	}))
	defer func() { _ = db.Close() }()
	c.db = db
	if c.conn, err = db.Conn(c.ctx); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.conn.Close() }()
	c.Out.WriteString("version\t" + clienttest.ModuleVersion(t, "github.com/lib/pq") + "\n")
	c.Feature("connect", func() error { return c.query("SELECT current_user, current_setting('server_version')") })
	c.Feature("types", c.types)
	c.Feature("nulls", c.nulls)
	c.Feature("returning", c.returning)
	c.Feature("prepared", c.prepared)
	c.Feature("copy in", c.copyIn)
	c.Feature("cursors", c.cursors)
	c.Feature("transactions", c.transactions)
	c.Feature("errors", c.errors)
	c.Feature("cancel", c.cancel)
	c.Feature("notify", c.notify)
	c.Feature("notices", func() error {
		return errors.Join(c.exec("DO $$ BEGIN RAISE NOTICE 'from the server'; END $$"), c.exec("DROP TABLE IF EXISTS not_there"))
	})
	c.Feature("big values", c.bigValues)
	return c.Out.String()
}

type querier interface {
	QueryContext(ctx context.Context, sql string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, sql string, args ...any) (sql.Result, error)
}

func (c *pqClient) query(text string, args ...any) error { return c.queryOn(c.conn, text, args...) }

func (c *pqClient) queryOn(on querier, text string, args ...any) error {
	return c.rows(on.QueryContext(c.ctx, text, args...))
}

func (c *pqClient) rows(rows *sql.Rows, err error) error {
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		c.Show(values...)
	}
	return rows.Err()
}

func (c *pqClient) exec(text string, args ...any) error { return c.execOn(c.conn, text, args...) }

func (c *pqClient) execOn(on querier, text string, args ...any) error {
	result, err := on.ExecContext(c.ctx, text, args...)
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	c.Show(n)
	return err
}

func (c *pqClient) explain(err error) error {
	var e *pq.Error
	if !errors.As(err, &e) {
		return errors.Join(clienttest.Expect(err), err)
	}
	c.Show(e.Severity, string(e.Code), e.Message, e.Detail, e.Hint, e.Position, e.Constraint)
	return nil
}

// pqRow is wholeRow for a driver that takes json as text.
func pqRow() []any {
	row := append([]any(nil), wholeRow...)
	row[3], row[4] = `{"secret": [1, 2.50]}`, `{"secret": "json", "a": 1}`
	return row
}

func (c *pqClient) types() error {
	if err := c.exec(insertRow(), append([]any{1, "acme"}, pqRow()...)...); err != nil {
		return err
	}
	rows, err := c.conn.QueryContext(c.ctx, "SELECT "+sealedNames()+" FROM items WHERE id = $1", 1)
	if err != nil {
		return err
	}
	kinds, err := rows.ColumnTypes()
	if err != nil {
		return err
	}
	for _, k := range kinds {
		length, hasLength := k.Length()
		c.Show(k.Name(), k.DatabaseTypeName(), k.ScanType(), length, hasLength)
	}
	return errors.Join(c.rows(rows, nil), c.query("SELECT "+sealedNames()+" FROM items WHERE id = 1"))
}

func (c *pqClient) nulls() error {
	if err := c.exec(insertRow(), append([]any{2, "acme"}, make([]any, len(wholeRow))...)...); err != nil {
		return err
	}
	return c.query("SELECT " + sealedNames() + " FROM items WHERE id = 2 AND t IS NULL")
}

func (c *pqClient) returning() error {
	return errors.Join(
		c.query("INSERT INTO items (id, org, t, jb) VALUES (3, 'globex', $1, $2) RETURNING id, t, jb", "secret returned", `{"secret": true}`),
		c.query("UPDATE items SET t = $1 WHERE id = $2 AND org = $3 RETURNING t", "secret updated", 3, "globex"))
}

func (c *pqClient) prepared() error {
	insert, err := c.conn.PrepareContext(c.ctx, "INSERT INTO items (id, org, t, f8) VALUES ($1, $2, $3, $4)")
	if err != nil {
		return err
	}
	defer func() { _ = insert.Close() }()
	selecting, err := c.conn.PrepareContext(c.ctx, "SELECT id, t, f8 FROM items WHERE id = $1")
	if err != nil {
		return err
	}
	defer func() { _ = selecting.Close() }()
	for n := 200; n < 208; n++ {
		if _, err := insert.ExecContext(c.ctx, n, "acme", fmt.Sprintf("secret %d", n), float64(n)/2); err != nil {
			return err
		}
		if err := c.rows(selecting.QueryContext(c.ctx, n)); err != nil {
			return err
		}
	}
	return nil
}

func (c *pqClient) copyIn() error {
	tx, err := c.conn.BeginTx(c.ctx, nil)
	if err != nil {
		return err
	}
	st, err := tx.PrepareContext(c.ctx, "COPY items (id, org, "+sealedNames()+") FROM STDIN")
	if err != nil {
		return err
	}
	for i, row := range [][]any{pqRow(), make([]any, len(wholeRow))} {
		if _, err := st.ExecContext(c.ctx, append([]any{30 + i, "acme"}, row...)...); err != nil {
			return err
		}
	}
	result, err := st.ExecContext(c.ctx)
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	c.Show(n)
	if err := errors.Join(err, st.Close(), tx.Commit()); err != nil {
		return err
	}
	failing, err := c.conn.BeginTx(c.ctx, nil)
	if err != nil {
		return err
	}
	st, err = failing.PrepareContext(c.ctx, "COPY items (id, org, i4) FROM STDIN")
	if err != nil {
		return err
	}
	_, first := st.ExecContext(c.ctx, 34, "acme", "no number")
	_, last := st.ExecContext(c.ctx)
	if err := c.explain(errors.Join(first, last)); err != nil {
		return err
	}
	_ = st.Close() // it has failed
	return errors.Join(failing.Rollback(), c.query("SELECT id, org, "+sealedNames()+" FROM items WHERE id BETWEEN 30 AND 34 ORDER BY id"))
}

func (c *pqClient) cursors() error {
	for n := 100; n < 130; n++ {
		if _, err := c.conn.ExecContext(c.ctx, "INSERT INTO items (id, org, t) VALUES ($1, 'acme', $2)", n, fmt.Sprintf("secret row %d", n)); err != nil {
			return err
		}
	}
	tx, err := c.conn.BeginTx(c.ctx, nil)
	if err != nil {
		return err
	}
	if err := c.execOn(tx, "DECLARE named CURSOR FOR SELECT id, t FROM items WHERE id BETWEEN $1 AND 129 ORDER BY id", 100); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	for _, text := range []string{"FETCH 3 FROM named", "MOVE 10 IN named", "FETCH NEXT FROM named", "CLOSE named"} {
		if err := c.queryOn(tx, text); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}

func (c *pqClient) transactions() error {
	tx, err := c.conn.BeginTx(c.ctx, nil)
	if err != nil {
		return err
	}
	err = c.execOn(tx, "INSERT INTO items (id, org, t) VALUES (40, 'acme', 'secret gone')")
	_, bad := tx.ExecContext(c.ctx, "INSERT INTO items (id, org, i4) VALUES (41, 'acme', 'no number')")
	_, aborted := tx.ExecContext(c.ctx, "SELECT t FROM items")
	if err := errors.Join(err, c.explain(bad), c.explain(aborted), tx.Rollback()); err != nil {
		return err
	}
	if tx, err = c.conn.BeginTx(c.ctx, nil); err != nil {
		return err
	}
	err = errors.Join(
		c.execOn(tx, "INSERT INTO items (id, org, t) VALUES (42, 'acme', $1)", "secret kept"), c.execOn(tx, "SAVEPOINT s"),
		c.execOn(tx, "UPDATE items SET t = $1 WHERE id = 42 AND org = 'acme'", "secret undone"), c.execOn(tx, "ROLLBACK TO s"), tx.Commit())
	return errors.Join(err, c.query("SELECT id, t FROM items WHERE id BETWEEN 40 AND 42"))
}

func (c *pqClient) errors() error {
	for _, b := range badStatements {
		_, err := c.conn.ExecContext(c.ctx, b[0].(string), b[1:]...)
		if err := c.explain(err); err != nil {
			return err
		}
	}
	return nil
}

func (c *pqClient) cancel() error {
	ctx, cancel := context.WithTimeout(c.ctx, 500*time.Millisecond)
	defer cancel()
	_, err := c.db.ExecContext(ctx, "SELECT pg_sleep(30)") // the driver gives that connection up
	return errors.Join(c.explain(err), c.query("SELECT t FROM items WHERE id = 42"))
}

func (c *pqClient) notify() error {
	listener := pq.NewListener(c.dsn, time.Second, time.Minute, nil)
	defer func() { _ = listener.Close() }()
	if err := listener.Listen("channel"); err != nil {
		return err
	}
	if err := c.exec("NOTIFY channel, 'hello'"); err != nil {
		return err
	}
	select {
	case n := <-listener.Notify:
		c.Show(n.Channel, n.Extra)
		return nil
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
}

func (c *pqClient) bigValues() error {
	if err := c.exec("INSERT INTO items (id, org, t, raw) VALUES (60, 'acme', $1, $2)", strings.Repeat("secret", 500000), bytes.Repeat([]byte("secret\x00"), 300000)); err != nil {
		return err
	}
	return c.query("SELECT t, raw FROM items WHERE id = 60")
}
