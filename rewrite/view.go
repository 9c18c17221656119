package rewrite

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/internal/pgerr"
)

// viewResult is what a view's definition hands out, found once a snapshot.
type viewResult struct {
	result
	refusal *pgerr.Error // of the definition
	notRead bool         // the snapshot has no definition
}

// view gives the columns of a view that has sealed ones, by way of its
// definition. Those that lead to no column of the policy are handed out as they
// are stored.
func (r *resolver) view(rel *catalog.Relation, location int32) result {
	if r.viewsAbove[rel.OID] {
		r.refuse(viewComputes, location, "view "+rel.Schema+"."+rel.Name+" reads itself", "", "")
		return result{open: true}
	}
	found := r.rewriter.viewResult(rel, r.viewsAbove)
	switch {
	case found.notRead && !r.env.CatalogIsFresh:
		r.needsFresh = true
	case found.notRead:
		r.refuse(ddlThenUse, location, "pgseal cannot read the definition of view "+rel.Schema+"."+rel.Name+" yet",
			"A transaction that made it, or that locks it or what it reads, has not ended, and the view may have sealed columns.",
			"Commit that first, or read the table itself.")
	}
	if found.refusal != nil {
		r.refuse(viewComputes, location, "view "+rel.Schema+"."+rel.Name+" uses a sealed column in a way that pgseal refuses",
			found.refusal.Message+".", "Drop the view, or create it anew without that use.")
	}
	return result{fields: clone(found.fields, location)}
}

// viewResult resolves a view's definition, or gives what was found before.
func (rw *Rewriter) viewResult(rel *catalog.Relation, above map[uint32]bool) *viewResult {
	if known, ok := rw.views.Load(rel.OID); ok {
		return known.(*viewResult)
	}
	found := rw.resolveView(rel, above)
	if len(found.fields) != len(rel.Columns) { // refused, or not read
		found.fields = make([]field, len(rel.Columns))
	}
	for i, c := range rel.Columns {
		found.fields[i].name = c.Name
	}
	if len(above) == 0 { // within a cycle the result depends on where it was entered
		rw.views.Store(rel.OID, found)
	}
	return found
}

func (rw *Rewriter) resolveView(rel *catalog.Relation, above map[uint32]bool) *viewResult {
	found := &viewResult{notRead: rel.Definition == ""}
	if found.notRead {
		return found
	}
	tokens, tree, e := rw.parse(rel.Definition)
	if e != nil || len(tree.Stmts) != 1 {
		found.refusal = &pgerr.Error{Code: pgerr.FeatureNotSupported, Message: "its definition does not parse"}
		return found
	}
	within := map[uint32]bool{rel.OID: true}
	for oid := range above {
		within[oid] = true
	}
	r := definitionResolver(rw, rel, tokens, &Statement{})
	r.viewsAbove = within
	found.result = r.query(tree.Stmts[0].Stmt, &scope{})
	found.refusal = r.refusal
	if found.open {
		found.fields = nil
	}
	return found
}

// definitionResolver resolves a view's definition.
func definitionResolver(rw *Rewriter, rel *catalog.Relation, tokens []*pg.ScanToken, st *Statement) *resolver {
	return &resolver{
		rewriter: rw, snapshot: rw.snapshot, text: rel.Definition, tokens: tokens, positions: &positions{text: rel.Definition}, st: st,
		env: Env{CatalogIsFresh: true, SearchPath: []string{"pg_catalog"}}, inView: true,
	}
}
