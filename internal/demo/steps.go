package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/internal/demo/gateway"
	"github.com/pgseal/pgseal/internal/pgerr"
)

// requests is how many HTTP requests the demo sends.
const requests = 48

// showKeys shows what `pgseal keys list` does.
func showKeys(ctx context.Context, e *environment, s *screen) error {
	var table strings.Builder
	if err := e.command(ctx, &table, "keys", "list", "--config", e.config); err != nil {
		return err
	}
	for _, org := range orgs {
		if !strings.Contains(table.String(), org) {
			return fmt.Errorf("keys list does not show %s", org)
		}
		s.line("  %-7s %s", org, shortARN(e.keys[org]))
	}
	return nil
}

// shortARN is an ARN without what all of them have, to fit a line.
func shortARN(arn string) string {
	parts := strings.SplitN(arn, ":", 6) // arn:aws:kms:region:account:key/id
	if len(parts) < 6 {
		return arn
	}
	return fmt.Sprintf("%s of account %s", parts[5], parts[4])
}

// showTraffic makes the tables through pgseal and lets the application work.
func showTraffic(ctx context.Context, e *environment, s *screen) error {
	if err := gateway.Migrate(ctx, e.through); err != nil {
		return err
	}
	app, err := gateway.New(ctx, gateway.Options{DSN: e.through, Orgs: orgs})
	if err != nil {
		return err
	}
	e.app = app
	sent, err := app.Traffic(ctx, requests)
	if err != nil {
		return err
	}
	if err := app.Flush(ctx); err != nil {
		return err
	}
	spans, logs, err := e.count(ctx)
	if err != nil {
		return err
	}
	if len(sent) != requests || logs != requests || spans < requests {
		return fmt.Errorf("%d requests made %d spans and %d log entries", len(sent), spans, logs)
	}
	s.line("  %d HTTP requests of %s became %d spans and %d request logs.", len(sent), strings.Join(orgs, " and "), spans, logs)
	s.line("  The application is not changed: OpenTelemetry, pgx, jsonb, text and bytea.")
	return nil
}

// count counts what the application has stored.
func (e *environment) count(ctx context.Context) (spans, logs int, err error) {
	err = e.query(ctx, e.direct, "SELECT (SELECT count(*) FROM spans), (SELECT count(*) FROM request_logs)", []any{&spans, &logs})
	return spans, logs, err
}

// query runs a query that gives one row.
func (e *environment) query(ctx context.Context, dsn, sql string, into []any, args ...any) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return conn.QueryRow(ctx, sql, args...).Scan(into...)
}

// sealedColumns are those that showRows looks at, and a plain one.
var sealedColumns = []struct{ table, column string }{
	{"spans", "name"}, {"spans", "attributes"}, {"spans", "events"},
	{"request_logs", "path"}, {"request_logs", "request_headers"}, {"request_logs", "request_body"},
}

// showRows shows the same fields as the application and as the database has
// them.
func showRows(ctx context.Context, e *environment, s *screen) error {
	var rows [][3]string
	for _, c := range sealedColumns {
		sql := fmt.Sprintf(`SELECT %s::text FROM %s WHERE org_id = 'acme' AND %s IS NOT NULL ORDER BY ctid LIMIT 1`, c.column, c.table, c.column)
		plain := strings.Replace(sql, "::text", "", 1)
		var opened, stored string
		if err := e.query(ctx, e.through, plain, []any{&opened}, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("read %s.%s through pgseal: %w", c.table, c.column, err)
		}
		if err := e.query(ctx, e.direct, sql, []any{&stored}); err != nil {
			return fmt.Errorf("read %s.%s in Postgres: %w", c.table, c.column, err)
		}
		sealed := c.column != "name" && c.column != "path"
		if strings.HasPrefix(stored, `\x5ea101`) != sealed || strings.HasPrefix(opened, `\x5ea1`) || (opened == stored) == sealed {
			return fmt.Errorf("%s.%s is not stored as the policy says", c.table, c.column)
		}
		rows = append(rows, [3]string{c.column, opened, stored})
	}
	s.sideBySide("through pgseal", "in Postgres", rows)
	return nil
}

// showRefusal shows what a search on a sealed column is answered.
func showRefusal(ctx context.Context, e *environment, s *screen) error {
	const sql = "SELECT * FROM request_logs WHERE request_body LIKE '%card%'"
	var ignored string
	err := e.query(ctx, e.through, sql, []any{&ignored})
	var refusal *pgconn.PgError
	if !errors.As(err, &refusal) || refusal.Code != pgerr.FeatureNotSupported {
		return fmt.Errorf("the search was not refused with %s: %v", pgerr.FeatureNotSupported, err)
	}
	s.line("  %s", sql)
	if refusal.Position > 0 {
		s.line("  %s^", strings.Repeat(" ", int(refusal.Position)-1))
	}
	showError(s, refusal)
	return nil
}

// showError prints an error as psql does.
func showError(s *screen, e *pgconn.PgError) {
	s.wrapped("  ", "ERROR "+e.Code+": "+e.Message)
	if e.Detail != "" {
		s.wrapped("  ", "DETAIL: "+e.Detail)
	}
	if hint, _, _ := strings.Cut(e.Hint, " See https://"); hint != "" {
		s.wrapped("  ", "HINT: "+hint)
	}
}

// showRequest shows an order out of the log, with its sealed body.
func showRequest(s *screen, log []gateway.Request) error {
	for _, r := range log {
		if r.Body != nil && *r.Body != "" && r.Status < 300 {
			s.line("  %s", pad(fmt.Sprintf("%s %s -> %d %s", r.Method, r.Path, r.Status, *r.Body), width-2))
			return nil
		}
	}
	return fmt.Errorf("none of %d requests has a body to read", len(log))
}

// showPrompt prints what to try while the demo stays up.
func showPrompt(e *environment, s *screen) {
	s.line("")
	s.line("Everything stays up until Ctrl-C. To try:")
	s.line("")
	s.line("  through=%q", e.through)
	s.line("  direct=%q", e.direct)
	s.line(`  psql "$through" -c 'SELECT name, attributes FROM spans LIMIT 3'`)
	s.line(`  psql "$direct"  -c 'SELECT name, attributes FROM spans LIMIT 3'`)
	s.line(`  psql "$through" -c "SELECT * FROM spans WHERE attributes->>'user' = 'x'"`)
	s.line(`  psql "$direct"  -c "UPDATE spans SET attributes = 'plain'"`)
	s.line("")
}
