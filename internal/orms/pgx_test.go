package orms_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/internal/clienttest"
)

// pgxProgram is pgx without a mapper, in the ways of code that sqlc generates and of
// pgx's own documentation: rows into structs by name, arrays of columns to unnest,
// batches, CopyFrom.
type pgxProgram struct {
	clienttest.Player
	ctx  context.Context
	conn *pgx.Conn
}

// pgxNote is a row of notes.
type pgxNote struct {
	ID       int64
	Org      string
	AuthorID int32 `db:"author_id"`
	Slug     string
	Stars    int32
	Body     string
	Doc      json.RawMessage
	Raw      []byte
	Code     *string
	At       *time.Time
	Day      *time.Time
	N        *int32
	Big      *int64
	F        *float64
	Amount   *string
	UID      *string
	OK       *bool
}

const pgxColumns = "id, org, author_id, slug, stars, body, doc, raw, code, at, day, n, big, f, amount, uid, ok"

// pgxValues are the sealed values of the n-th note, in their columns' order.
func pgxValues(n int) []any {
	return []any{
		fmt.Sprintf("secret body %d: Grüße", n), fmt.Appendf(nil, `{"k": "secret %d", "list": [1, 2.5, null]}`, n), append([]byte("\x00\xffsecret"), byte(n)),
		fmt.Sprintf("secret%d", n), time.Date(2024, 2, 29, 12, 34, 56, 789012000, time.UTC), time.Date(2024, 2, n%28+1, 0, 0, 0, 0, time.UTC),
		int32(n - 5), int64(n) << 40, float64(n) / 3, fmt.Sprintf("%d.25", n), fmt.Sprintf("00000000-0000-0000-0000-%012d", n), n%2 == 0,
	}
}

func pgxRow(n int) []any {
	return append([]any{"acme", int32(1), fmt.Sprintf("note-%d", n), int32(n)}, pgxValues(n)...)
}

const pgxInsert = `-- name: CreateNote :one
INSERT INTO notes (org, author_id, slug, stars, body, doc, raw, code, at, day, n, big, f, amount, uid, ok)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
RETURNING ` + pgxColumns

func playPgx(t *testing.T, dsn string) string {
	t.Helper()
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	p := &pgxProgram{ctx: t.Context()}
	if p.conn, err = pgx.ConnectConfig(p.ctx, config); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.conn.Close(context.Background()) }()
	p.Out.WriteString("version\t" + clienttest.ModuleVersion(t, "github.com/jackc/pgx/v5") + "\n")
	for _, f := range []struct {
		name string
		play func() error
	}{
		{"create schema", func() error { return p.script(t, "testdata/schema.sql") }}, {"introspection", p.introspection}, {"create", p.create},
		{"bulk create", p.bulkCreate}, {"upsert", p.upsert}, {"read", p.read}, {"relations", p.relations}, {"json paths", p.jsonPaths}, {"update", p.update},
		{"bulk update", p.bulkUpdate}, {"streaming", p.streaming}, {"transactions", p.transactions}, {"delete", p.delete}, {"searches", p.searches},
	} {
		if _, err := p.conn.Exec(p.ctx, "SELECT 'playing: "+f.name+"'"); err != nil {
			t.Fatal(err)
		}
		p.Feature(f.name, f.play)
	}
	return p.Out.String()
}

func (p *pgxProgram) script(t *testing.T, file string) error {
	tables, others, _ := strings.Cut(readFile(t, file), "-- The others.\n")
	if _, err := p.conn.Exec(p.ctx, tables); err != nil { // in one text, as many tools for migrations send it
		return err
	}
	for sql := range strings.SplitSeq(others, ";\n") {
		if _, err := p.conn.Exec(p.ctx, sql); err != nil {
			return err
		}
	}
	p.Show("made")
	return nil
}

// all shows the rows of a query as notes, or as maps where they are not notes.
func (p *pgxProgram) all(sql string, args ...any) error {
	rows, err := p.conn.Query(p.ctx, sql, args...)
	if err != nil {
		return err
	}
	return p.rows(rows)
}

func (p *pgxProgram) rows(rows pgx.Rows) error {
	if len(rows.FieldDescriptions()) == strings.Count(pgxColumns, ",")+1 {
		notes, err := pgx.CollectRows(rows, pgx.RowToStructByName[pgxNote])
		for _, n := range notes {
			text, _ := json.Marshal(n)
			p.Show(string(text))
		}
		return err
	}
	maps, err := pgx.CollectRows(rows, pgx.RowToMap)
	for _, m := range maps {
		p.Show(m)
	}
	return err
}

func (p *pgxProgram) introspection() error {
	for _, name := range []string{"mood", "pair", "positive", "_text"} {
		kind, err := p.conn.LoadType(p.ctx, name)
		if err != nil {
			return err
		}
		p.Show(kind.Name, fmt.Sprintf("%T", kind.Codec))
		p.conn.TypeMap().RegisterType(kind)
	}
	described, err := p.conn.Prepare(p.ctx, "described", "SELECT * FROM notes WHERE id = $1")
	if err != nil {
		return err
	}
	for _, f := range described.Fields {
		p.Show(f.Name, f.DataTypeOID, f.DataTypeSize, f.TypeModifier, f.TableAttributeNumber)
	}
	inserting, err := p.conn.Prepare(p.ctx, "inserting", pgxInsert)
	if err != nil {
		return err
	}
	p.Show(inserting.ParamOIDs)
	return nil
}

func (p *pgxProgram) create() error {
	for _, author := range [][]any{{"acme", "Ada", "secret bio of Ada"}, {"acme", "Bo", nil}} {
		if err := p.all("INSERT INTO authors (org, name, bio) VALUES ($1, $2, $3) RETURNING id, bio", author...); err != nil {
			return err
		}
	}
	for n := 1; n < 4; n++ {
		if err := p.all(pgxInsert, pgxRow(n)...); err != nil {
			return err
		}
	}
	return p.all("INSERT INTO notes (org, author_id, slug, body, doc) VALUES (@org, @author, @slug, @body, @doc) RETURNING "+pgxColumns,
		pgx.NamedArgs{"org": "acme", "author": 2, "slug": "named", "body": "secret named", "doc": map[string]any{"k": "secret"}})
}

func (p *pgxProgram) bulkCreate() error {
	var slugs, bodies, docs []string
	var stars []int32
	for n := 10; n < 14; n++ {
		slugs, bodies, docs, stars = append(slugs, fmt.Sprintf("note-%d", n)), append(bodies, fmt.Sprintf("secret unnest %d", n)), append(docs, `{"k": "secret"}`), append(stars, int32(n))
	}
	if err := p.all(`INSERT INTO notes (org, author_id, slug, stars, body, doc)
SELECT $1, $2, unnest($3::text[]), unnest($4::int[]), unnest($5::text[]), unnest($6::jsonb[]) RETURNING id, slug, body, doc`, "acme", 1, slugs, stars, bodies, docs); err != nil {
		return err
	}
	var rows [][]any
	for n := 20; n < 24; n++ {
		rows = append(rows, pgxRow(n))
	}
	count, err := p.conn.CopyFrom(p.ctx, pgx.Identifier{"notes"}, strings.Split(pgxColumns, ", ")[1:], pgx.CopyFromRows(rows))
	if err != nil {
		return err
	}
	p.Show(count)
	batch := &pgx.Batch{}
	for n := 30; n < 33; n++ {
		batch.Queue(pgxInsert, pgxRow(n)...).Query(p.rows)
	}
	if err := p.conn.SendBatch(p.ctx, batch).Close(); err != nil {
		return err
	}
	return p.all("SELECT " + pgxColumns + " FROM notes WHERE stars BETWEEN 10 AND 29 ORDER BY id")
}

func (p *pgxProgram) upsert() error {
	const upsert = `INSERT INTO notes (org, author_id, slug, stars, body) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (slug) DO UPDATE SET body = EXCLUDED.body, stars = notes.stars + EXCLUDED.stars WHERE notes.stars >= 0 RETURNING ` + pgxColumns
	for _, slug := range []string{"note-10", "new"} {
		if err := p.all(upsert, "acme", 1, slug, 5, "secret upserted"); err != nil {
			return err
		}
	}
	return p.all(`INSERT INTO notes (org, author_id, slug, body) VALUES ($1, 1, 'note-11', $2) ON CONFLICT DO NOTHING RETURNING id`, "acme", "secret unused")
}

func (p *pgxProgram) read() error {
	for _, q := range []struct {
		sql  string
		args []any
	}{
		{"SELECT " + pgxColumns + " FROM notes WHERE id = $1 LIMIT 1", []any{1}},
		{"SELECT " + pgxColumns + " FROM notes WHERE id = ANY($1::bigint[]) ORDER BY array_position($1, id)", []any{[]int64{2, 1}}},
		{"SELECT id, body FROM notes WHERE (org = $1 OR $1 IS NULL) AND stars > COALESCE($2, 0) ORDER BY id LIMIT $3 OFFSET $4", []any{"acme", 1, 2, 1}},
		{"SELECT count(*), count(body) AS filled, max(stars) FROM notes", nil},
		{"SELECT EXISTS (SELECT 1 FROM notes WHERE stars = $1)", []any{1}},
		{"SELECT body, count(*) OVER () AS total, row_number() OVER (ORDER BY id) AS nr FROM notes ORDER BY id LIMIT 2", nil},
		{"WITH few AS (SELECT id, body, doc FROM notes WHERE stars < $1) SELECT few.*, few.body IS NOT NULL AS filled FROM few ORDER BY id", []any{3}},
		{"SELECT v.body, v.bio FROM note_view v ORDER BY v.id LIMIT 2", nil},
	} {
		if err := p.all(q.sql, q.args...); err != nil {
			return fmt.Errorf("%s: %w", q.sql, err)
		}
	}
	return nil
}

func (p *pgxProgram) relations() error {
	return errors.Join(
		p.all("SELECT n.id, n.body, a.name, a.bio FROM notes n JOIN authors a ON a.id = n.author_id WHERE a.name = $1 ORDER BY n.id LIMIT 3", "Ada"),
		p.all("SELECT a.id, a.bio, (SELECT count(*) FROM notes n WHERE n.author_id = a.id) AS notes, l.body FROM authors a LEFT JOIN LATERAL (SELECT body FROM notes n WHERE n.author_id = a.id ORDER BY id LIMIT 1) l ON true ORDER BY a.id"),
		p.all("SELECT a.name, array_agg(n.body ORDER BY n.id) AS bodies FROM authors a JOIN notes n ON n.author_id = a.id WHERE n.stars < 3 GROUP BY a.id ORDER BY a.id"))
}

func (p *pgxProgram) jsonPaths() error {
	return p.all("SELECT id, doc ->> 'k' AS k, doc -> 'list' -> 1 AS second, doc #>> '{list,0}' AS first FROM notes WHERE stars < $1 ORDER BY id", 3)
}

func (p *pgxProgram) update() error {
	return errors.Join(
		p.all("UPDATE notes SET body = $2, doc = $3, at = NULL, stars = stars + 0 WHERE id = $1 RETURNING "+pgxColumns, 1, "secret updated", map[string]any{"k": "secret"}),
		p.all("UPDATE notes SET body = COALESCE($2, body), code = COALESCE($3, code), doc = CASE WHEN $4::bool THEN $5 ELSE doc END WHERE id = $1 RETURNING "+pgxColumns, 3, nil, "secret narg", true, `{"k": "secret case"}`),
		p.all("UPDATE notes SET body = COALESCE($2, body), code = COALESCE($3, code), doc = CASE WHEN $4::bool THEN $5 ELSE doc END WHERE id = $1 RETURNING "+pgxColumns, 3, "secret given", nil, false, nil),
		p.all("UPDATE notes SET (body, code) = ($2, $3) WHERE id = $1 RETURNING body, code", 2, "secret tuple", "secret"),
		p.all("UPDATE notes n SET body = $2 FROM authors a WHERE a.id = n.author_id AND a.name = $1 RETURNING n.id, n.body, a.bio", "Bo", "secret from"))
}

func (p *pgxProgram) bulkUpdate() error {
	batch := &pgx.Batch{}
	for id := 2; id < 4; id++ {
		batch.Queue("UPDATE notes SET body = $2, amount = $3 WHERE id = $1", id, fmt.Sprintf("secret batch %d", id), "7.50")
	}
	if err := p.conn.SendBatch(p.ctx, batch).Close(); err != nil {
		return err
	}
	if err := p.all("UPDATE notes n SET body = v.body FROM (SELECT unnest($1::bigint[]) AS id, unnest($2::text[]) AS body) v WHERE v.id = n.id", []int64{1, 2}, []string{"secret from unnest 1", "secret from unnest 2"}); err != nil {
		return err
	}
	return p.all("SELECT " + pgxColumns + " FROM notes WHERE id < 4 ORDER BY id")
}

func (p *pgxProgram) streaming() error {
	rows, err := p.conn.Query(p.ctx, "SELECT body, doc FROM notes ORDER BY id")
	if err != nil {
		return err
	}
	var body string
	var doc []byte
	_, err = pgx.ForEachRow(rows, []any{&body, &doc}, func() error {
		p.Show(body, doc)
		return nil
	})
	return err
}

func (p *pgxProgram) transactions() error {
	undo := errors.New("undo")
	err := pgx.BeginFunc(p.ctx, p.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(p.ctx, pgxInsert, pgxRow(50)...); err != nil {
			return err
		}
		return undo
	})
	if !errors.Is(err, undo) {
		return err
	}
	err = pgx.BeginFunc(p.ctx, p.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(p.ctx, pgxInsert, pgxRow(51)...); err != nil {
			return err
		}
		err := pgx.BeginFunc(p.ctx, tx, func(tx pgx.Tx) error {
			_, err := tx.Exec(p.ctx, pgxInsert, pgxRow(51)...)
			return err
		})
		p.Show(fmt.Sprint(err))
		rows, err := tx.Query(p.ctx, "SELECT "+pgxColumns+" FROM notes WHERE stars = 51 FOR UPDATE SKIP LOCKED")
		if err != nil {
			return err
		}
		return p.rows(rows)
	})
	return errors.Join(err, p.all("SELECT id, body FROM notes WHERE stars >= 50"))
}

func (p *pgxProgram) delete() error {
	return p.all("WITH gone AS (DELETE FROM notes WHERE slug = ANY($1) RETURNING id, body) SELECT * FROM gone ORDER BY id", []string{"new", "note-12"})
}

func (p *pgxProgram) searches() error {
	for _, s := range []struct {
		label, sql string
		args       []any
	}{
		{"equal", "SELECT id FROM notes WHERE body = $1", []any{"secret"}}, {"any", "SELECT id FROM notes WHERE code = ANY($1)", []any{[]string{"secret"}}},
		{"like", "SELECT id FROM notes WHERE body ILIKE '%' || $1 || '%'", []any{"secret"}}, {"json", "SELECT id FROM notes WHERE doc @> $1", []any{`{"k": 1}`}},
		{"order", "SELECT id FROM notes ORDER BY code", nil}, {"lower", "SELECT lower(body) FROM notes", nil},
	} {
		rows, err := p.conn.Query(p.ctx, s.sql, s.args...)
		found := 0
		for err == nil && rows.Next() {
			found++
		}
		if err == nil {
			err = rows.Err()
		}
		var refused *pgconn.PgError
		switch {
		case err == nil:
			p.Show(s.label, fmt.Sprintf("found %d", found))
		case errors.As(err, &refused):
			p.Show(s.label, "refused", refused.Code)
		default:
			return err
		}
	}
	return nil
}
