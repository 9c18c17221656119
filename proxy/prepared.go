package proxy

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/rewrite"
)

// SQL's own PREPARE, EXECUTE and DEALLOCATE. They share their names with the
// protocol's prepared statements, both ways.

// resolve makes of a simple Query's plan what can be sent: what its statements mean
// that depend on the session's names, in order, and what becomes of the names that
// each makes or drops.
func (f *frontend) resolve(plan *rewrite.Plan, text []byte) (*rewrite.Plan, *query, error) {
	if plan.Relay {
		return plan, nil, nil
	}
	q := &query{}
	context := statement{effects: plan.Effects, plans: f.planner.last, epoch: f.planner.epoch}
	replaced := false
	replace := func(i int, st *rewrite.Statement) {
		if !replaced {
			replaced = true
			plan = &rewrite.Plan{Effects: plan.Effects, Refusal: plan.Refusal, Statements: slices.Clone(plan.Statements)}
		}
		plan.Statements[i] = *st
	}
	executes, ran := false, rewrite.Effects(0) // EXECUTE and FETCH: what they ran
	for i := range plan.Statements {
		st := &plan.Statements[i]
		called := ran&(rewrite.CallsFunctions|rewrite.ChangesSettings) != 0
		switch {
		case st.Refusal != nil:
			f.sealedNames = true // nothing behind it is sent either
		case st.Execute != nil:
			target, bound, err := f.bindExecute(st, called)
			if err != nil {
				return nil, nil, err
			}
			replace(i, bound)
			executes, ran = true, ran|effectsOf(rewrite.ExecutesStatements, target)
		case st.Cursor != nil && st.Cursor.Op == rewrite.FetchesCursor:
			one, err := f.fetchOf(&statement{plan: st})
			if err != nil {
				return nil, nil, err
			}
			one.ran = called
			if refusal := one.check(); refusal != nil {
				replace(i, &rewrite.Statement{Start: st.Start, End: st.End, Refusal: refusal})
			}
			q.fetches = append(q.fetches, make([]*fetch, i+1-len(q.fetches))...)
			q.fetches[i] = one
			ran |= one.effects()
		default:
			if st.Prepare != nil && context.source == "" {
				context.source = string(text)
			}
			if op := f.recordNames(st, &context, nil); op != nil {
				q.names = append(q.names, make([]*nameOp, i+1-len(q.names))...)
				q.names[i] = op
			}
		}
	}
	if executes {
		plan.Effects = plan.Effects&^rewrite.ExecutesStatements | ran
	}
	return plan, q, nil
}

// effectsOf gives the effects of a text that has an EXECUTE, once it is known what
// that runs.
func effectsOf(text rewrite.Effects, target *statement) rewrite.Effects {
	if target == nil {
		return text
	}
	return text&^rewrite.ExecutesStatements | target.effects
}

// bindExecute finds what an EXECUTE runs, nil when nothing of that name is known,
// and gives the statement that it is then.
func (f *frontend) bindExecute(st *rewrite.Statement, ran bool) (*statement, *rewrite.Statement, error) {
	target, err := f.lookupStatement([]byte(st.Execute.Name))
	if err != nil {
		return nil, nil, err
	}
	var p *rewrite.Prepared
	if target != nil && !target.refused {
		p = &rewrite.Prepared{Statement: &rewrite.Statement{NumOutputs: -1}}
		if target.plan != nil {
			refusal, err := f.stillValid(target)
			if err != nil {
				return nil, nil, err
			}
			if refusal != nil {
				return target, &rewrite.Statement{Start: st.Start, End: st.End, Refusal: refusal}, nil
			}
			p = &rewrite.Prepared{Statement: target.plan, Declared: target.declared, Sealed: true}
		}
	}
	bound := st.Execute.Bind(st, p, ran)
	if err := f.planner.askSettings(f, &bound); err != nil {
		return nil, nil, err
	}
	return target, &bound, f.planner.askPrinting(f, &bound, inText)
}

// errNoParameters is the server's own error for a Bind of values to a statement that
// has no parameters (exec_bind_message): a PREPARE's are its own. The values, which
// may be meant for a sealed column, are not sent.
func errNoParameters(m *bindMessage) *pgerr.Error {
	return &pgerr.Error{
		Code:    pgerr.ProtocolViolation,
		Message: fmt.Sprintf("bind message supplies %d parameters, but prepared statement %q requires 0", m.count, m.statement),
	}
}

// checkPrepare tells why a PREPARE is refused that declares a type for a sealed
// parameter, nil when it is not.
func (f *frontend) checkPrepare(p *rewrite.Prepare) *pgerr.Error {
	for i := range p.Statement.Params {
		param := &p.Statement.Params[i]
		declared := param.TypeOID
		if param.Number <= len(p.Declared) {
			declared = cmp.Or(p.Declared[param.Number-1], declared)
		}
		if refusal := f.seal.checkDeclared(declared, param); refusal != nil {
			return refusal
		}
	}
	return nil
}

// recordNames follows what a statement does to the session's names; nil when it does
// nothing. Of context it takes what the statement was planned from and under; orgs are
// those of a DECLARE's outputs where they were in parameters.
func (f *frontend) recordNames(st *rewrite.Statement, context *statement, orgs []string) *nameOp {
	names := st.Cursor != nil && (st.Cursor.Op == rewrite.DeclaresCursor || st.Cursor.Op == rewrite.ClosesCursor)
	if st.Prepare == nil && len(st.Deallocates) == 0 && !names {
		return nil
	}
	op := &nameOp{}
	if names {
		f.recordCursor(st.Cursor, op, context.effects, orgs)
	}
	if p := st.Prepare; p != nil {
		f.statements.set([]byte(p.Name), f.prepared(st, context), op, f.segment)
	}
	for _, name := range st.Deallocates {
		if name != "" {
			f.statements.set([]byte(name), nil, op, f.segment)
			continue
		}
		for each := range f.statements {
			if each == "" { // not among the server's either (DropAllPreparedStatements)
				continue
			}
			f.statements.set([]byte(each), nil, op, f.segment)
		}
	}
	return op
}

// prepared is the record of what a PREPARE makes.
func (f *frontend) prepared(st *rewrite.Statement, context *statement) *statement {
	p := st.Prepare
	if !p.Sealed {
		return relayedStatements[p.Effects]
	}
	f.sealedNames = true
	planned := st.Alone()
	sealedFor := context.sealedFor // of a PREPARE that was itself prepared
	if context.plan == nil {
		sealedFor = f.sealedFor(st)
	}
	return &statement{
		plan: &planned.Prepare.Statement, effects: p.Effects, declared: p.Declared,
		own: newOwnParams(&planned.Prepare.Statement, p.Declared), sealedFor: sealedFor,
		planned: &planned, source: context.source[st.Start:st.End], plans: context.plans, epoch: context.epoch,
	}
}
