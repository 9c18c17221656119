package rewrite

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/policy"
)

// relation finds what a name stands for outside of WITH. Nil: it is not known,
// and needsPath or needsFresh may have been set to learn more.
func (r *resolver) relation(v *pg.RangeVar) *catalog.Relation {
	rel := r.lookUp(v)
	switch {
	case r.changed(v):
		r.touch(v.Location)
	case rel != nil:
		if rel.CarriesSealed() || rel.Policy != nil {
			r.touch(v.Location)
		}
	case r.policyTable(v.Schemaname, v.Relname) != nil:
		r.needCatalog()
		r.touch(v.Location)
	default:
		if !r.needsPath && r.refusal == nil {
			r.needCatalog()
		}
	}
	return rel
}

// refuseAbsent refuses to read or write a relation that the policy names and the database
// does not have. Postgres would say so too, but after writing the text into its log.
func (r *resolver) refuseAbsent(v *pg.RangeVar) {
	t := r.policyTable(v.Schemaname, v.Relname)
	if t == nil || r.refusal != nil {
		return
	}
	name := v.Relname
	if v.Schemaname != "" {
		name = v.Schemaname + "." + name
	}
	r.refusal = &pgerr.Error{
		Code: "42P01", Message: "relation \"" + name + "\" does not exist", Position: r.positions.at(v.Location),
		Hint: "The policy seals columns of " + t.QualifiedName() + ", which the database does not have, or not in the search_path.", Anchor: string(misconfiguredColumn),
	}
}

// readsAbsent is refuseAbsent for what is read, unless the text may have made it before: a
// temporary table, say, of the same name.
func (r *resolver) readsAbsent(v *pg.RangeVar) {
	if !r.before.another(v.Relname) {
		r.refuseAbsent(v)
	}
}

// touch notes that the statement names a sealed relation at that place.
func (r *resolver) touch(location int32) {
	r.touches = true
	if r.before != nil && r.before.sealedDDL && !r.defines {
		r.refuseChanged(location)
	}
}

// changed tells whether the text has changed a sealed relation of that name before,
// in a way that pgseal does not follow; it refuses to use it then.
func (r *resolver) changed(v *pg.RangeVar) bool {
	if r.before == nil || !r.before.made.unknown[v.Relname] || r.defines {
		return false
	}
	r.refuseChanged(v.Location)
	return true
}

func (r *resolver) refuseChanged(location int32) {
	r.refuse(ddlThenUse, location, "the same text changes a sealed relation before this statement uses one",
		"pgseal reads the catalog between texts, not between the statements of one.", "Send the statements one by one.")
}

func (r *resolver) lookUp(v *pg.RangeVar) *catalog.Relation {
	candidates := r.relations(v.Relname)
	switch {
	case v.Schemaname == "pg_temp":
		return r.temporary(candidates, v)
	case v.Schemaname != "":
		return r.relationIn(v.Schemaname, v.Relname)
	case len(candidates) == 0:
		return nil
	case len(candidates) == 1 && (r.before == nil || !r.before.names[v.Relname] || r.defines || !anySealed(candidates)) &&
		(anySealed(candidates) || r.policyTable("", v.Relname) == nil): // else the policy's table may be meant, which is not there
		return candidates[0]
	}
	switch {
	case r.before.another(v.Relname) && anySealed(candidates):
		r.refuse(ddlThenUse, v.Location, "an earlier statement of the same text may change which relation "+v.Relname+" is",
			"Several schemas may have a relation of this name, and one of them is sealed.", "Write the schema before the name, or send the statements one by one.")
		return nil
	case r.env.SearchPath == nil:
		r.needsPath = true
		r.touches = r.touches || anySealed(candidates) || r.policyTable("", v.Relname) != nil
		return nil
	}
	r.st.UsesPath = r.st.UsesPath || anySealed(candidates) || r.policyTable("", v.Relname) != nil
	for _, schema := range r.env.SearchPath {
		if rel := r.relationIn(schema, v.Relname); rel != nil {
			return rel
		}
	}
	return nil
}

// temporary finds a temporary relation. Whose it is, the snapshot does not tell.
func (r *resolver) temporary(candidates []*catalog.Relation, v *pg.RangeVar) *catalog.Relation {
	var found *catalog.Relation
	for _, c := range candidates {
		if !c.Temporary {
			continue
		}
		if found != nil && (found.CarriesSealed() || c.CarriesSealed()) {
			r.refuse(ambiguousName, v.Location, "pgseal cannot tell which temporary relation "+v.Relname+" is",
				"Several sessions have one of this name, and one of them has sealed columns.", "Use another name.")
		}
		found = c
	}
	return found
}

func anySealed(relations []*catalog.Relation) bool {
	for _, rel := range relations {
		if rel.CarriesSealed() || rel.Policy != nil {
			return true
		}
	}
	return false
}

// policyTable finds a table of the policy by a name that need not be qualified.
func (r *resolver) policyTable(schema, name string) *policy.Table {
	if strings.HasPrefix(schema, "pg_temp") {
		return nil
	}
	for _, t := range r.snapshot.Policy().Tables {
		if t.Name == name && (schema == "" || t.Schema == schema) {
			return t
		}
	}
	return nil
}

// newEntry makes the entry of a relation that a statement names.
func (r *resolver) newEntry(rel *catalog.Relation, location int32) *entry {
	e := &entry{name: rel.Name, schema: rel.Schema, relation: rel}
	if rel.IsView() && rel.CarriesSealed() {
		e.result = r.view(rel, location)
		return e
	}
	var o *origin
	if rel.Policy != nil {
		o = newOrigin(rel)
	}
	e.fields = make([]field, len(rel.Columns))
	for i, c := range rel.Columns {
		f := &e.fields[i]
		f.name, f.location = c.Name, location
		f.orphan = c.Sealed && c.Policy == nil
		if c.Policy != nil {
			f.column, f.misconfigured, f.origin = c.Policy, !c.Sealed, o
		}
		if o != nil && c == rel.OrgColumn {
			f.orgOf = []*origin{o}
		}
	}
	return e
}

func newOrigin(rel *catalog.Relation) *origin {
	o := &origin{table: rel.Policy}
	switch rel.Policy.Org.Kind {
	case policy.OrgFixed:
		o.org = OrgRef{Kind: OrgValue, Value: rel.Policy.Org.Value}
	case policy.OrgFromSetting:
		o.org = OrgRef{Kind: OrgSetting, Value: rel.Policy.Org.Value}
	case policy.OrgFromColumn:
		if c := rel.OrgColumn; c != nil {
			o.typeOID = c.TypeOID
		}
	}
	return o
}
