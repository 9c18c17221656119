package catalog

import (
	"context"
	"fmt"
	"hash/maphash"
	"strconv"

	"github.com/pgseal/pgseal/policy"
)

// Querier runs a query and gives its rows in text form, NULL as "". It is a
// connection of pgseal's own, or a client's session in which a transaction has
// changed the catalog and nobody else sees it yet.
type Querier interface {
	Query(ctx context.Context, sql string) ([][]string, error)
}

// columnsQuery lists every column of every relation that a FROM clause can
// name; one row a relation when it has no columns (attname is NULL then).
const columnsQuery = `
SELECT c.oid::text, n.nspname, c.relname, c.relkind::text, (c.relpersistence = 't')::text,
       a.attname, a.attnum::text, a.atttypid::text, (a.attgenerated <> '')::text
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY c.oid, a.attnum`

const inheritsQuery = `SELECT inhrelid::text, inhparent::text FROM pg_catalog.pg_inherits ORDER BY inhrelid, inhseqno`

// serverQuery gives the OID of the type pgseal.sealed, NULL when it is not there, and
// the server's version.
const serverQuery = `
SELECT (SELECT t.oid::text FROM pg_catalog.pg_type t
	JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
	WHERE n.nspname = 'pgseal' AND t.typname = 'sealed' AND t.typtype = 'd'),
	pg_catalog.current_setting('server_version_num')`

// contents are the rows that a snapshot is made of, and their hash.
type contents struct {
	columns, inherits, functions, shadows, keys, views, server [][]string

	hash uint64
}

var hashSeed = maphash.MakeSeed()

// Load reads the catalog and joins it with the policy. When nothing has changed
// since previous (which may be nil), it gives previous itself. With own set, q
// is pgseal's own connection and views' definitions are read; otherwise they
// are taken from previous, since a client's search_path would garble them.
func Load(ctx context.Context, q Querier, p *policy.Policy, previous *Snapshot, own bool) (*Snapshot, error) {
	var c contents
	queries := []struct {
		what string
		sql  string
		rows *[][]string
	}{
		{"server", serverQuery, &c.server},
		{"columns", columnsQuery, &c.columns},
		{"inheritance", inheritsQuery, &c.inherits},
		{"functions", functionsQuery, &c.functions},
		{"functions like pg_catalog's", shadowsQuery, &c.shadows},
		{"keys", keysQuery, &c.keys},
	}
	var h maphash.Hash
	h.SetSeed(hashSeed)
	for _, query := range queries {
		rows, err := q.Query(ctx, query.sql)
		if err != nil {
			return nil, fmt.Errorf("read catalog (%s): %w", query.what, err)
		}
		*query.rows = rows
		hashRows(&h, rows)
	}
	if own {
		var err error
		if c.views, err = readViews(ctx, q, previous, &c); err != nil {
			return nil, fmt.Errorf("read catalog (views): %w", err)
		}
		hashRows(&h, c.views)
	}
	c.hash = h.Sum64()
	if previous != nil && previous.hash == c.hash && previous.policy == p {
		return previous, nil
	}
	return build(&c, p, previous, own)
}

func hashRows(h *maphash.Hash, rows [][]string) {
	for _, row := range rows {
		for _, field := range row {
			_, _ = h.WriteString(field)
			_ = h.WriteByte(0)
		}
	}
	_ = h.WriteByte(1)
}

// build makes the snapshot of the rows.
func build(c *contents, p *policy.Policy, previous *Snapshot, own bool) (*Snapshot, error) {
	sealedOID, serverVersion, err := readServer(c.server)
	if err != nil {
		return nil, err
	}
	relations, err := buildRelations(c.columns, sealedOID)
	if err != nil {
		return nil, err
	}
	byOID := make(map[string]*Relation, len(relations))
	for _, r := range relations {
		byOID[strconv.FormatUint(uint64(r.OID), 10)] = r
	}
	parents := make(map[*Relation][]*Relation)
	for _, row := range c.inherits {
		child, parent := byOID[row[0]], byOID[row[1]]
		if child != nil && parent != nil {
			parents[child] = append(parents[child], parent)
		}
	}
	for _, r := range relations {
		r.Policy = inheritedPolicy(r, p, parents, len(relations))
	}
	addKeys(c.keys, byOID)
	for _, row := range c.views {
		if r := byOID[row[0]]; r != nil {
			r.Definition, r.rule, r.Redirected = row[1], row[2], row[3] == "true"
		}
	}
	version := uint64(1)
	if previous != nil {
		version = previous.Version + 1
	}
	if !own && previous != nil {
		for _, r := range relations {
			if old := previous.ByOID(r.OID); old != nil {
				r.Definition, r.rule, r.Redirected = old.Definition, old.rule, old.Redirected
			}
		}
	}
	functions, err := buildFunctions(c.functions, byOID)
	if err != nil {
		return nil, err
	}
	s := New(version, sealedOID, p, relations, functions...)
	s.addBelow(parents)
	s.ServerVersion, s.hash = serverVersion, c.hash
	for _, row := range c.shadows {
		s.shadows[row[0]] = true
	}
	return s, nil
}

// readServer reads serverQuery's row.
func readServer(rows [][]string) (sealedOID uint32, version int, err error) {
	if len(rows) != 1 {
		return 0, 0, fmt.Errorf("read catalog (server): %d rows instead of one", len(rows))
	}
	if oid := rows[0][0]; oid != "" {
		n, err := strconv.ParseUint(oid, 10, 32)
		if err != nil {
			return 0, 0, fmt.Errorf("read catalog (type pgseal.sealed): %w", err)
		}
		sealedOID = uint32(n)
	}
	if version, err = strconv.Atoi(rows[0][1]); err != nil {
		return 0, 0, fmt.Errorf("read catalog (server_version_num): %w", err)
	}
	return sealedOID, version, nil
}

// buildRelations groups columnsQuery's rows by relation.
func buildRelations(rows [][]string, sealedOID uint32) ([]*Relation, error) {
	var relations []*Relation
	var last *Relation
	var lastOID string
	for _, row := range rows {
		if last == nil || row[0] != lastOID {
			oid, err := strconv.ParseUint(row[0], 10, 32)
			if err != nil {
				return nil, fmt.Errorf("read catalog (columns): relation %s: %w", row[2], err)
			}
			last = &Relation{OID: uint32(oid), Schema: row[1], Name: row[2], Kind: row[3][0], Temporary: row[4] == "true"}
			lastOID = row[0]
			relations = append(relations, last)
		}
		if row[6] == "" {
			continue // a relation without columns
		}
		num, err := strconv.ParseInt(row[6], 10, 16)
		if err != nil {
			return nil, fmt.Errorf("read catalog (columns): %s.%s: %w", row[2], row[5], err)
		}
		typ, err := strconv.ParseUint(row[7], 10, 32)
		if err != nil {
			return nil, fmt.Errorf("read catalog (columns): %s.%s: %w", row[2], row[5], err)
		}
		last.Columns = append(last.Columns, &Column{
			Name: row[5], Num: int16(num), TypeOID: uint32(typ),
			Sealed:    sealedOID != 0 && uint32(typ) == sealedOID,
			Generated: row[8] == "true",
		})
	}
	return relations, nil
}

// inheritedPolicy finds the policy's table of a relation, or of the nearest
// ancestor that has one: rows of a partition are rows of its parent, and are
// sealed as its parent's.
func inheritedPolicy(r *Relation, p *policy.Policy, parents map[*Relation][]*Relation, depth int) *policy.Table {
	if t := p.Table(r.Schema, r.Name); t != nil || depth == 0 {
		return t
	}
	for _, parent := range parents[r] {
		if t := inheritedPolicy(parent, p, parents, depth-1); t != nil {
			return t
		}
	}
	return nil
}
