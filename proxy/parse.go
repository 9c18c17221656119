package proxy

import (
	"cmp"
	"encoding/binary"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/telemetry"
	"github.com/pgseal/pgseal/rewrite"
)

// handleParse plans a statement and sends it on: as it came when it touches
// nothing sealed, rewritten when it does, and in its place one that the server
// refuses when it is refused.
func (f *frontend) handleParse(frame, body []byte) error {
	name, rest, ok1 := cutString(body)
	text, types, ok2 := cutString(rest)
	if !ok1 || !ok2 {
		// The server reads no further than we can: it gets the same error out
		// of a message without a body.
		f.open = true
		f.s.push(reply{kind: replyParse, name: &nameOp{}})
		f.out.buf = append(f.out.begin(), 'P', 0, 0, 0, 4)
		return nil
	}
	plan, err := f.planner.plan(f, text, true)
	if err != nil {
		return err
	}
	if plan.Relay {
		f.open = true
		f.relayParse(frame, name, plan)
		return nil
	}
	f.outcome = telemetry.Rewritten
	st, plan, err := f.newStatement(plan, text)
	if err != nil {
		return err
	}
	f.open = true
	refusal := f.checkStatement(plan, st, types)
	st.own = newOwnParams(st.plan, st.declared)
	start := f.out.begin()
	at := len(start)
	dst := start
	if refusal == nil {
		dst, refusal = f.appendSealedParse(start, name, text, types, plan, st)
	}
	if refusal != nil {
		f.refused(refusal)
		st = &statement{refused: true}
		text := refusedText
		if plan.Refusal != nil {
			text = textInPlaceOf(refusal)
		}
		dst = appendParse(dst[:at], name, text)
	}
	f.out.buf = dst
	op := &nameOp{}
	f.statements.set(name, st, op, f.segment)
	f.s.push(reply{kind: replyParse, name: op, statement: st, refusal: refusal})
	return nil
}

// relayParse sends a Parse on that touches nothing sealed. The name's outcome
// is followed only where the name may have stood for something else.
func (f *frontend) relayParse(frame, name []byte, plan *rewrite.Plan) {
	var op *nameOp
	if st := relayedStatements[plan.Effects]; !f.statements.is(name, st, f.segment) {
		op = &nameOp{}
		f.statements.set(name, st, op, f.segment)
	}
	f.s.push(reply{kind: replyParse, name: op})
	f.out.relay(frame)
}

// newStatement makes the record of a prepared statement. The plan that it gives is
// the same, but for an EXECUTE's, which depends on what is prepared.
func (f *frontend) newStatement(plan *rewrite.Plan, text []byte) (*statement, *rewrite.Plan, error) {
	f.sealedNames = true
	st := &statement{effects: plan.Effects, source: string(text), plans: f.planner.last, epoch: f.planner.epoch}
	if plan.Refusal != nil || len(plan.Statements) == 0 {
		return st, plan, nil
	}
	if len(plan.Statements) > 1 {
		return st, &rewrite.Plan{Effects: plan.Effects, Refusal: errSeveralCommands}, nil
	}
	st.planned = &plan.Statements[0]
	st.plan = st.planned
	if st.plan.Execute == nil {
		return st, plan, nil
	}
	target, bound, err := f.bindExecute(st.plan, false)
	if err != nil {
		return nil, nil, err
	}
	st.plan, st.runs = bound, target
	st.effects = effectsOf(plan.Effects, target)
	return st, &rewrite.Plan{Effects: st.effects, Statements: []rewrite.Statement{*bound}}, nil
}

// errSeveralCommands is the server's own error (exec_parse_message).
var errSeveralCommands = &pgerr.Error{
	Code: pgerr.SyntaxError, Message: "cannot insert multiple commands into a prepared statement",
}

// checkStatement tells why a statement is refused, and notes the types that the
// client declared for its parameters.
func (f *frontend) checkStatement(plan *rewrite.Plan, st *statement, types []byte) *pgerr.Error {
	if plan.Refusal != nil {
		return plan.Refusal
	}
	if st.plan == nil {
		return nil
	}
	if refusal := f.refusalOf(st.plan); refusal != nil {
		return refusal
	}
	if len(types) >= 2 {
		n := int(binary.BigEndian.Uint16(types))
		for i := range min(n, (len(types)-2)/4) {
			st.declared = append(st.declared, binary.BigEndian.Uint32(types[2+4*i:]))
		}
	}
	if refusal := checkStepParams(st.plan, st.declaredType); refusal != nil {
		return refusal
	}
	for i := range st.plan.Params {
		p := &st.plan.Params[i]
		declared := st.declaredType(p.Number)
		if st.plan.Raw && (declared == oidBytea || declared == f.planner.sealedOID()) {
			continue
		}
		if refusal := f.seal.checkDeclared(cmp.Or(declared, p.TypeOID), p); refusal != nil {
			return refusal
		}
	}
	return nil
}

// declaredType is the type that the client declared for a parameter, zero when
// it left that to the server.
func (st *statement) declaredType(number int) uint32 {
	if number <= len(st.declared) {
		return st.declared[number-1]
	}
	return 0
}

// appendSealedParse appends the rewritten Parse. A sealed parameter that the
// client declared a type for is declared as pgseal.sealed.
func (f *frontend) appendSealedParse(dst, name, text, types []byte, plan *rewrite.Plan, st *statement) ([]byte, *pgerr.Error) {
	at := len(dst)
	dst = beginMessage(dst, 'P')
	dst = append(append(dst, name...), 0)
	dst, edits, refusal := f.splice(dst, text, plan, &st.own)
	if refusal == nil && st.own.count() > 0 && st.own.all() > maxParams {
		refusal = errNoRoomForOwn
	}
	if refusal != nil {
		return dst, refusal
	}
	st.edits = edits
	if st.plan != nil {
		st.sealedFor = f.sealedFor(st.plan)
	}
	dst = append(dst, 0)
	typesAt := len(dst)
	dst = append(dst, types...)
	if st.plan != nil {
		for i := range st.plan.Params {
			n := st.plan.Params[i].Number
			if st.declaredType(n) != 0 {
				oid := f.planner.sealedOID()
				if st.plan.Params[i].Array { // the cast in the text tells
					oid = 0
				}
				binary.BigEndian.PutUint32(dst[typesAt+2+4*(n-1):], oid)
			}
		}
	}
	dst, err := endMessage(dst, at)
	if err != nil {
		return dst, asClientError(err)
	}
	return dst, nil
}

// appendParse appends a Parse of pgseal's own.
func appendParse[T string | []byte](dst []byte, name T, text string) []byte {
	at := len(dst)
	dst = beginMessage(dst, 'P')
	dst = append(append(dst, name...), 0)
	dst = append(append(dst, text...), 0, 0, 0)
	binary.BigEndian.PutUint32(dst[at+1:], uint32(len(dst)-at-1))
	return dst
}
