package rewrite

import (
	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// statement resolves a statement of the text.
func (r *resolver) statement(n *pg.Node) {
	switch s := n.GetNode().(type) {
	case *pg.Node_SelectStmt:
		r.computes = s.SelectStmt.IntoClause == nil
		r.outputs(r.query(n, &scope{}))
		r.st.Pure = pure(s.SelectStmt.ProtoReflect())
		if r.ddl = s.SelectStmt.IntoClause != nil; r.ddl {
			r.st.NumOutputs = 0 // the rows go into the table
		}
	case *pg.Node_InsertStmt, *pg.Node_UpdateStmt, *pg.Node_DeleteStmt, *pg.Node_MergeStmt:
		r.computes = true
		r.outputs(r.query(n, &scope{}))
	case *pg.Node_ExplainStmt:
		r.explain(s.ExplainStmt)
	case *pg.Node_PrepareStmt:
		r.prepare(s.PrepareStmt)
	case *pg.Node_DeclareCursorStmt:
		r.declareCursor(s.DeclareCursorStmt)
	case *pg.Node_FetchStmt:
		r.fetchCursor(s.FetchStmt)
	case *pg.Node_ClosePortalStmt:
		r.st.Cursor = &Cursor{Op: ClosesCursor, Name: s.ClosePortalStmt.Portalname} // "" for ALL
	case *pg.Node_CopyStmt:
		r.copy(s.CopyStmt)
	case *pg.Node_ExecuteStmt:
		r.execute(s.ExecuteStmt, false)
	case *pg.Node_DeallocateStmt:
		r.st.Deallocates = append(r.st.Deallocates, s.DeallocateStmt.Name) // "" for ALL
	case *pg.Node_DiscardStmt:
		if s.DiscardStmt.Target == pg.DiscardMode_DISCARD_ALL {
			r.st.Deallocates = append(r.st.Deallocates, "")
			r.st.Cursor = &Cursor{Op: ClosesCursor} // those WITH HOLD
		}
	case *pg.Node_DoStmt:
		if r.rewriter.doNamesSealed(s.DoStmt) && r.refusal == nil {
			r.refusal = refuseDo()
		}
	case *pg.Node_CallStmt:
		r.call(s.CallStmt.Funccall, &scope{}, inExpression)
		r.st.NumOutputs = -1
	case *pg.Node_VariableShowStmt:
		r.st.NumOutputs = -1
	case *pg.Node_VariableSetStmt:
		r.setting(s.VariableSetStmt)
		r.utility(n)
	default:
		r.utility(n)
	}
}

// explain plans what EXPLAIN explains; its own output is text. EXPLAIN ANALYZE
// runs the statement, so it is rewritten as the statement itself is.
func (r *resolver) explain(s *pg.ExplainStmt) {
	r.statement(s.Query)
	r.st.Outputs, r.st.NumOutputs, r.st.Pure, r.st.Cursor = nil, -1, false, nil
	if r.st.Execute != nil {
		r.st.Execute.explained = true
	}
}

// doNamesSealed tells whether a DO block's body, its escapes undone, may name a
// sealed relation.
func (rw *Rewriter) doNamesSealed(s *pg.DoStmt) bool {
	for _, n := range s.Args {
		body := n.GetDefElem().GetArg().GetString_()
		if body == nil {
			continue
		}
		if found := scan(rw, body.Sval); found.sealed || found.hidden {
			return true
		}
	}
	return false
}

// pure tells whether a SELECT changes no row and locks none.
func pure(m protoreflect.Message) bool {
	ok := true
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if fd.Message() == nil {
			return ok
		}
		if !fd.IsList() {
			ok = ok && pureMessage(v.Message())
			return ok
		}
		for i := range v.List().Len() {
			ok = ok && pureMessage(v.List().Get(i).Message())
		}
		return ok
	})
	return ok
}

func pureMessage(m protoreflect.Message) bool {
	switch m.Interface().(type) {
	case *pg.LockingClause, *pg.InsertStmt, *pg.UpdateStmt, *pg.DeleteStmt, *pg.MergeStmt, *pg.IntoClause:
		return false
	}
	return pure(m)
}

// touchesAny looks up every relation that is named anywhere in a message, and gives
// the first sealed one, nil when there is none.
func (r *resolver) touchesAny(m proto.Message) *pg.RangeVar {
	if v, ok := m.(*pg.RangeVar); ok {
		rel := r.lookUp(v)
		if r.changed(v) || rel != nil && (rel.CarriesSealed() || rel.Policy != nil) || rel == nil && r.policyTable(v.Schemaname, v.Relname) != nil {
			r.touch(v.Location)
			return v
		}
		return nil
	}
	var first *pg.RangeVar
	within := func(m protoreflect.Message) {
		if v := r.touchesAny(m.Interface()); v != nil && (first == nil || v.Location < first.Location) {
			first = v
		}
	}
	m.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.Message() == nil:
		case fd.IsList():
			for i := range v.List().Len() {
				within(v.List().Get(i).Message())
			}
		default:
			within(v.Message())
		}
		return true
	})
	return first
}
