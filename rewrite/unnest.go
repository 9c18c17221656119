package rewrite

import (
	"cmp"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/policy"
)

// unnest of arrays that stand in the text: parameters, ARRAY[…], literals of an array
// type. Where it leads into a sealed column, the array's elements are sealed one by one,
// and it becomes an array of pgseal.sealed. Arrays beside each other are read in step,
// so the org of an element may be the element at the same place of another array.

// unnestArrays gives the arrays that a call of unnest reads, if all of them can be seen.
func unnestArrays(f *pg.FuncCall) ([]seenItem, bool) {
	name, system := functionName(f)
	if !system || name != "unnest" || len(f.Args) == 0 || len(f.Args) > 1 && len(f.Funcname) > 1 || f.AggFilter != nil || f.Over != nil ||
		len(f.AggOrder) > 0 || f.AggDistinct || f.AggStar || f.FuncVariadic || f.AggWithinGroup {
		return nil, false
	}
	items := make([]seenItem, len(f.Args))
	for i, n := range f.Args {
		if !seenArray(n) {
			return nil, false
		}
		items[i] = seenItem{node: n, array: true}
	}
	return items, true
}

// seenArray tells whether an array's elements can be seen, now or when it is bound.
func seenArray(n *pg.Node) bool {
	if tc := n.GetTypeCast(); tc != nil {
		t, ok := typeOf(tc.TypeName)
		literal := tc.Arg.GetAConst().GetSval() != nil || isNull(tc.Arg)
		return ok && t.Array && len(t.Mods) == 0 && t.Kind != policy.Char && (literal || tc.Arg.GetParamRef() != nil || seenElements(tc.Arg.GetAArrayExpr()))
	}
	return n.GetParamRef() != nil || seenElements(n.GetAArrayExpr())
}

func seenElements(a *pg.A_ArrayExpr) bool {
	if a == nil {
		return false
	}
	for _, n := range a.Elements {
		if _, seen := seenOutput(n); !seen {
			return false
		}
	}
	return len(a.Elements) > 0
}

// unnest makes the item of unnest in FROM, nil where it is another function, or its
// arrays cannot be seen.
func (r *resolver) unnest(f *pg.RangeFunction, lateral *scope) *item {
	l := &rowList{key: f}
	for _, n := range f.Functions { // several only in ROWS FROM
		parts := n.GetList().GetItems()
		if len(parts) == 0 || len(f.Coldeflist) > 0 {
			return nil
		}
		items, ok := unnestArrays(parts[0].GetFuncCall())
		if !ok {
			return nil
		}
		l.row = append(l.row, items...)
	}
	rd := r.read(l)
	e := &entry{result: result{fields: make([]field, len(l.row))}}
	for i := range l.row {
		g := &e.fields[i]
		g.name, g.location = "unnest", locationOf(l.row[i].node, -1)
		if _, wanted := rd.wants[i]; !wanted {
			r.expr(l.row[i].node, lateral, inFunction)
		}
		rd.mark(g, i)
	}
	if f.Alias != nil && len(l.row) == 1 { // chooseScalarFunctionAlias
		e.fields[0].name = f.Alias.Aliasname
	}
	if f.Ordinality {
		e.fields = append(e.fields, field{name: "ordinality"})
	}
	if f.Alias == nil && len(f.Functions) == 1 {
		e.name = "unnest"
	}
	r.sealWanted(rd)
	return single(e, f.Alias)
}

// itemType is the type that a value has of itself, or that an array's elements have;
// zero for none.
func itemType(item seenItem) uint32 {
	if !item.array {
		return ownType(item.node)
	}
	if tc := item.node.GetTypeCast(); tc != nil {
		t, _ := typeOf(tc.TypeName)
		return policy.Type{Kind: t.Kind}.OID()
	}
	a := item.node.GetAArrayExpr()
	if a == nil {
		return 0 // a parameter whose type the client declares
	}
	common := uint32(0)
	for _, n := range a.Elements {
		common = commonOID(common, ownType(n))
	}
	if common == 0 {
		return oidText
	}
	return common
}

// arrayKeepsOrg tells whether an array's elements, cast on their way or not, are the
// orgs that were written for a column of that type.
func arrayKeepsOrg(item seenItem, typeOID uint32) bool {
	oid := itemType(item)
	if oid == 0 { // a parameter: what the client declares is looked at when it is bound
		return true
	}
	return oid == typeOID || character(oid) && character(typeOID) || integer(oid) && integer(typeOID)
}

// inStep tells whether Postgres reads the arrays of a list in step. In FROM it does; in
// an output list it may read one before rows are grouped or windows are made, and
// another behind that (make_group_input_target).
func inStep(list any) bool {
	s, ok := list.(*pg.SelectStmt)
	if !ok {
		return true
	}
	return len(s.GroupClause) == 0 && s.HavingClause == nil && len(s.DistinctClause) == 0 && len(s.WindowClause) == 0 && !hasWindow(s.ProtoReflect())
}

// hasWindow tells whether a window function is called anywhere in a message.
func hasWindow(m protoreflect.Message) bool {
	if f, ok := m.Interface().(*pg.FuncCall); ok && f.Over != nil {
		return true
	}
	found := false
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.Message() == nil:
		case fd.IsList():
			for i := range v.List().Len() {
				found = found || hasWindow(v.List().Get(i).Message())
			}
		default:
			found = hasWindow(v.Message())
		}
		return !found
	})
	return found
}

// sealArray seals the elements of a wanted array. Beside is the array of their orgs,
// without a node where one org is all of theirs or none is known.
func (r *resolver) sealArray(item, beside seenItem, w want, one orgFinder) {
	c, n := w.column, item.node
	tc, arg := n.GetTypeCast(), n
	if tc != nil {
		arg = tc.Arg
	}
	if r.env.Raw {
		r.refuse(rawMode, locationOf(n, -1), "unnest into a sealed column is not supported while "+RawSetting+" is on", "", "Use VALUES.")
		return
	}
	f := form{cast: true, as: w.as, place: w.place, atRun: w.atRun}
	switch v := arg.GetNode().(type) {
	case *pg.Node_ParamRef:
		org, ok := one, true
		if beside.node != nil {
			org = func(c *policy.Column, location int32) (OrgRef, bool) {
				if p := arrayParam(beside.node); p != nil {
					return OrgRef{Kind: OrgElement, Param: int(p.Number), TypeOID: cmp.Or(itemType(beside), w.org.typeOID)}, true
				}
				return r.refuseOrgArray(c, location)
			}
		}
		ref, ok := org(c, v.ParamRef.Location)
		if !ok {
			return
		}
		f.array, f.as = true, 0
		if tc != nil {
			t, _ := typeOf(tc.TypeName)
			f.as = t.OID()
			r.retype(tc.TypeName, c, "pgseal.sealed[]")
		} else if at, ok := r.tokenSpan(v.ParamRef.Location); ok {
			r.st.Edits = append(r.st.Edits, Edit{at.start, at.end, "$" + itoa(v.ParamRef.Number) + "::pgseal.sealed[]"})
		} else {
			r.refuseForm(c, v.ParamRef.Location)
		}
		r.seal(v.ParamRef, c, ref, f)
	case *pg.Node_AConst:
		if v.AConst.Isnull {
			r.retype(tc.TypeName, c, "pgseal.sealed[]")
			return
		}
		r.sealArrayLiteral(tc, beside, w, one)
	case *pg.Node_AArrayExpr:
		orgs, known := arrayOrgs(beside, w.org.typeOID)
		for i, e := range v.AArrayExpr.Elements {
			org := one
			if beside.node != nil {
				org = func(c *policy.Column, location int32) (OrgRef, bool) {
					if !known || i >= len(orgs) || orgs[i].Kind == OrgUnknown {
						return r.refuseOrgArray(c, location)
					}
					return orgs[i], true
				}
			}
			r.assignSealed(e, c, org, f)
		}
		if tc != nil {
			r.retype(tc.TypeName, c, "pgseal.sealed[]")
		}
	}
}

func (r *resolver) sealArrayLiteral(tc *pg.TypeCast, beside seenItem, w want, one orgFinder) {
	a, c := tc.Arg.GetAConst(), w.column
	whole, ok := r.castSpan(tc)
	if !ok {
		r.refuseForm(c, a.Location)
		return
	}
	t, _ := typeOf(tc.TypeName)
	text, _ := constantText(a)
	lit := Literal{Start: whole.start, End: whole.end, At: int(a.Location), Value: text, TypeOID: t.OID(), Array: true, ByText: w.atRun, Declared: true, Column: c}
	if beside.node == nil {
		lit.Org, ok = one(c, a.Location)
	} else {
		lit.Org.Kind = OrgElement
		if lit.Orgs, ok = arrayOrgs(beside, w.org.typeOID); !ok {
			_, ok = r.refuseOrgArray(c, a.Location)
		}
	}
	if ok {
		r.st.Literals = append(r.st.Literals, lit)
	}
}

func (r *resolver) refuseOrgArray(c *policy.Column, location int32) (OrgRef, bool) {
	r.refuseColumn(orgForm, location, c, "is written for an org that pgseal cannot tell",
		"The org of each element is the element at the same place of another array, which has none there, or is written in another form.",
		"Give both arrays as parameters, or both in the same form, with an org for each value.")
	return OrgRef{}, false
}

// arrayParam is the parameter that an array is, cast or not; nil for other arrays.
func arrayParam(n *pg.Node) *pg.ParamRef {
	if tc := n.GetTypeCast(); tc != nil {
		n = tc.Arg
	}
	return n.GetParamRef()
}

// arrayOrgs reads the orgs that stand in an array of the text, of kind OrgUnknown for
// NULL. Not known: they don't stand there.
func arrayOrgs(item seenItem, typeOID uint32) (orgs []OrgRef, known bool) {
	if item.node == nil {
		return nil, false
	}
	n := item.node
	tc := n.GetTypeCast()
	if tc != nil {
		n = tc.Arg
	}
	if a := n.GetAArrayExpr(); a != nil {
		for _, e := range a.Elements {
			org, ok := orgOf(e, typeOID)
			if !ok && !isNull(e) {
				return nil, false
			}
			orgs = append(orgs, org)
		}
		return orgs, true
	}
	if tc == nil || n.GetAConst() == nil || n.GetAConst().Isnull {
		return nil, false
	}
	t, ok := typeOf(tc.TypeName)
	if !ok || !knownOrgType(policy.Type{Kind: t.Kind}.OID()) {
		return nil, false
	}
	codec, err := pgtypes.For(policy.Type{Kind: t.Kind})
	if err != nil {
		return nil, false
	}
	text, _ := constantText(n.GetAConst())
	var env pgtypes.Env
	err = pgtypes.Elements([]byte(text), pgtypes.Text, t, &env, func(canonical []byte, null bool) error {
		if null {
			orgs = append(orgs, OrgRef{})
			return nil
		}
		value, err := codec.Append(nil, canonical, pgtypes.Text, &env)
		if err != nil {
			return err
		}
		org, ok := CanonicalOrg(string(value), typeOID)
		if !ok || org == "" {
			orgs = append(orgs, OrgRef{})
			return nil
		}
		orgs = append(orgs, OrgRef{Kind: OrgValue, Value: org})
		return nil
	})
	return orgs, err == nil
}
