package proxy

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/internal/telemetry"
	"github.com/pgseal/pgseal/rewrite"
)

// handleBind seals parameters and asks for sealed columns in binary.
func (f *frontend) handleBind(frame, body []byte) error {
	f.prunePortals(64)
	m := &f.bind
	rest, ok := m.parseNames(body)
	if !ok {
		return f.bindMalformed(m.portal)
	}
	st, err := f.lookupStatement(m.statement)
	if err != nil {
		return err
	}
	if st == nil || st.refused {
		return f.bindUnknown(m)
	}
	if st.plan != nil {
		if refusal, err := f.stillValid(st); refusal != nil || err != nil {
			if err != nil {
				return err
			}
			return f.bindRefused(refusal)
		}
	}
	if st.plan != nil && (st.plan.Prepare != nil || st.plan.Execute != nil) {
		if m.parseValues(rest); m.count > 0 {
			return f.bindRefused(errNoParameters(m))
		}
	}
	if !st.touches() {
		f.open = true
		f.setPortal(m.portal, st)
		f.out.relay(frame)
		return nil
	}
	m.parseValues(rest)
	f.outcome = telemetry.Rewritten
	if err := f.planner.askUnreported(f); err != nil {
		return err
	}
	if refusal := f.checkBoundOrg(st, m); refusal != nil {
		return f.bindRefused(refusal)
	}
	if err := f.planner.askSettings(f, st.plan); err != nil {
		return err
	}
	resultFormat := func(i int) pgtypes.Format {
		if !countFits(m.resultFormats, st.plan.NumOutputs) {
			return pgtypes.Binary // the server refuses them
		}
		return formatOf(m.resultFormats, i)
	}
	if err := f.planner.askPrinting(f, st.plan, resultFormat); err != nil {
		return err
	}
	var org string
	if st.own.count() > 0 {
		refusal := st.own.bindFits(m)
		if refusal == nil && st.own.org {
			if org, err = f.writtenOrg(st.plan.Orgs); err != nil {
				refusal = placedAt(err, st.plan.Params)
			}
		}
		if refusal != nil {
			return f.bindRefused(refusal)
		}
	}
	f.open = true
	p, fit, err := f.makePortal(st, m)
	if err != nil {
		return f.bindRefused(asClientError(err))
	}
	dst := f.out.begin()
	at := len(dst)
	dst, refusal := f.appendBind(dst, st, m, p, fit, org)
	dst, err = endMessage(dst, at)
	f.out.buf = dst
	if err != nil {
		return f.bindRefused(errTooLargeSealed)
	}
	if refusal != nil {
		f.refused(refusal)
	}
	op := &nameOp{}
	f.portals.set(m.portal, p, op, f.segment)
	f.s.push(reply{kind: replyBind, name: op, statement: st, refusal: refusal})
	return nil
}

// errTooLargeSealed: sealing makes values longer, and a message that was just
// small enough is not any more.
var errTooLargeSealed = &pgerr.Error{
	Code: pgerr.ProgramLimitExceeded, Message: "the message is too large once its values are sealed",
	Hint: "Send smaller values.", Anchor: "message-too-large",
}

// prunePortals forgets portals that have ended with their transaction, once there
// are enough of them: for clients that give each a name of its own and close none.
func (f *frontend) prunePortals(enough int) {
	if len(f.portals) < enough || f.open {
		return
	}
	f.s.mu.Lock()
	idle := f.s.replies.n == 0 && f.s.txStatus == 'I'
	f.s.mu.Unlock()
	if !idle {
		return
	}
	for name := range f.portals {
		e := f.portals.settled([]byte(name))
		if e == nil || e.op.outcome.Load() == outcomePending { // of the text at hand
			continue
		}
		if e.value == nil || !e.value.hold {
			delete(f.portals, name)
		}
	}
}

// bindMalformed sends a Bind without the name that ends the client's, one of them
// or both (pq_getmsgstring: "invalid string in message").
func (f *frontend) bindMalformed(portal []byte) error {
	f.open = true
	f.s.push(reply{kind: replyBind})
	dst := f.out.begin()
	at := len(dst)
	dst = beginMessage(dst, 'B')
	if portal != nil {
		dst = append(append(dst, portal...), 0)
	}
	dst, err := endMessage(dst, at)
	f.out.buf = dst
	return err
}

// setPortal records a portal that needs no handling.
func (f *frontend) setPortal(name []byte, st *statement) {
	var op *nameOp
	p := relayedPortals[st.effects]
	if st.plan != nil || st.fetches() {
		p = &portal{statement: st}
	}
	if !f.portals.is(name, p, f.segment) {
		op = &nameOp{}
		f.portals.set(name, p, op, f.segment)
	}
	r := reply{kind: replyBind, name: op}
	if st.plan != nil {
		r.statement = st
	}
	f.s.push(r)
}

// bindUnknown sends a Bind of a statement that pgseal does not know, or knows to
// be refused, without its values: the server does not know it either, and says
// so; if it did, it would miss the parameters.
func (f *frontend) bindUnknown(m *bindMessage) error {
	f.open = true
	op := &nameOp{}
	f.portals.set(m.portal, relayedPortals[0], op, f.segment)
	f.s.push(reply{kind: replyBind, name: op})
	dst := f.out.begin()
	at := len(dst)
	dst = beginMessage(dst, 'B')
	dst = append(append(dst, m.portal...), 0)
	dst = append(append(dst, m.statement...), 0)
	dst = append(dst, 0, 0, 0, 0, 0, 0)
	dst, err := endMessage(dst, at)
	f.out.buf = dst
	return err
}

// appendBind appends the Bind with its sealed parameters sealed. When one
// cannot be, or the message is wrong in a way that the server will tell, the
// sealed parameters go out as empty values, which the type pgseal.sealed
// refuses, and the error is returned. Of a malformed message goes out what is
// well-formed, and a fault of the same kind. Org is the session's, for pgseal's own
// parameters.
func (f *frontend) appendBind(dst []byte, st *statement, m *bindMessage, p *portal, resultsFit bool, org string) ([]byte, *pgerr.Error) {
	dst = beginMessage(dst, 'B')
	dst = append(append(dst, m.portal...), 0)
	dst = append(append(dst, m.statement...), 0)
	if m.fault == faultyParamFormats {
		return dst, nil
	}
	formatsAt := len(dst)
	dst = appendParamFormats(dst, st, m)
	if m.fault == faultyCount {
		return dst, nil
	}
	dst = st.own.appendFormats(dst, formatsAt)
	dst = binary.BigEndian.AppendUint16(dst, uint16(m.count+st.own.count()))
	dst, refusal := f.appendBoundValues(dst, st, m)
	switch m.fault {
	case faultyValues:
		return append(dst, 0x7f, 0xff, 0xff, 0xff), refusal // a length beyond the message
	case faultyResultFormats:
		return f.appendOwnValues(dst, st, m, org, refusal)
	}
	dst, refusal = f.appendOwnValues(dst, st, m, org, refusal)
	dst = f.appendResultFormats(dst, st, m, p, resultsFit)
	if m.fault == faultyEnd {
		dst = append(dst, 0)
	}
	return dst, refusal
}

// appendParamFormats appends the client's formats, but binary for sealed
// parameters.
func appendParamFormats(dst []byte, st *statement, m *bindMessage) []byte {
	params := st.plan.Params
	if len(params)+len(st.own.late) == 0 || !countFits(m.paramFormats, m.count) {
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(m.paramFormats)/2))
		return append(dst, m.paramFormats...)
	}
	dst = appendFormats(dst, m.paramFormats, m.count)
	for i := range params {
		if number := params[i].Number; number <= m.count {
			binary.BigEndian.PutUint16(dst[len(dst)-2*(m.count-number+1):], uint16(pgtypes.Binary))
		}
	}
	return dst
}

// appendBoundValues appends the values, the sealed ones sealed.
func (f *frontend) appendBoundValues(dst []byte, st *statement, m *bindMessage) (_ []byte, refusal *pgerr.Error) {
	params, computed := st.plan.Params, st.plan.StepParams
	formatsFit := countFits(m.paramFormats, m.count)
	if formatsFit && m.fault == 0 {
		refusal = f.severalOrgs(st, m)
	}
	for i, value := range m.values {
		if len(computed) > 0 && computed[0].Number == i+1 { // the server has no use for it
			dst, computed = appendValue(dst, nil), computed[1:]
			continue
		}
		sealed := len(params) > 0 && params[0].Number == i+1
		if !sealed || value == nil {
			dst = appendValue(dst, value)
		} else {
			at := len(dst)
			dst = append(dst, 0, 0, 0, 0)
			if refusal == nil && formatsFit {
				var err error
				dst, err = f.sealBound(dst, st, m, &params[0])
				switch {
				case err == nil:
				case m.fault == faultyValues && errors.Is(err, errOrgMissing):
					// The org would stand behind the fault, which the server finds
					// when the value is NULL.
					dst = appendValue(dst[:at], nil)
					params = params[1:]
					continue
				default:
					refusal, dst = asClientError(err), dst[:at+4]
					if params[0].Array {
						dst = f.appendRefusedArray(dst)
					}
				}
			}
			binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
		}
		if sealed {
			params = params[1:]
		}
	}
	return dst, refusal
}

// severalOrgs tells why rows are refused that must be of one org, nil when they are.
func (f *frontend) severalOrgs(st *statement, m *bindMessage) *pgerr.Error {
	for i := range st.plan.OneOrg {
		one := &st.plan.OneOrg[i]
		var first string
		for j := range one.Orgs {
			org, err := f.orgOf(&one.Orgs[j], &boundParams{m, st})
			switch {
			case err != nil:
				return asClientError(err)
			case j == 0:
				first = org
			case org != first:
				return one.Refusal
			}
		}
	}
	return nil
}

// sealBound appends the sealed value of a parameter.
func (f *frontend) sealBound(dst []byte, st *statement, m *bindMessage, param *rewrite.Param) ([]byte, error) {
	i := param.Number - 1
	if st.plan.Raw {
		return appendPassed(dst, m.values[i], formatOf(m.paramFormats, i), param.Column)
	}
	if param.Array {
		return f.sealBoundArray(dst, st, m, param)
	}
	org, err := f.orgOf(&param.Org, &boundParams{m, st})
	if err != nil {
		return dst, err
	}
	values, format, declared := f.s.settings.Load().values, formatOf(m.paramFormats, i), cmp.Or(st.declaredType(param.Number), param.TypeOID)
	switch {
	case castMatters(param, declared):
		err = f.seal.readCast(m.values[i], format, declared, *param.Via, param.Column, values)
	case param.Cut:
		err = f.seal.readCut(m.values[i], format, declared, param.Column, values)
	default:
		err = f.seal.readParam(m.values[i], format, declared, param.Column, values)
	}
	if e := (*pgerr.Error)(nil); errors.As(err, &e) && e.Message == pgtypes.BytesLeftOver {
		named := *e // exec_bind_message finds this one, and names the parameter
		named.Message = fmt.Sprintf("%s in bind parameter %d", e.Message, param.Number)
		err = &named
	}
	if err != nil {
		return dst, err
	}
	return f.seal.seal(dst, param.Column, org)
}

// appendResultFormats appends the formats that the server is asked for: the
// client's, but binary for sealed columns. A code that is not a format the server
// refuses with the first row.
func (f *frontend) appendResultFormats(dst []byte, st *statement, m *bindMessage, p *portal, fit bool) []byte {
	if p.rows == nil || !fit {
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(m.resultFormats)/2))
		return append(dst, m.resultFormats...)
	}
	n := st.plan.NumOutputs
	dst = appendFormats(dst, m.resultFormats, n)
	for i := range st.plan.Outputs {
		code := dst[len(dst)-2*(n-st.plan.Outputs[i].Index):]
		if binary.BigEndian.Uint16(code) == uint16(pgtypes.Text) {
			binary.BigEndian.PutUint16(code, uint16(pgtypes.Binary))
		}
	}
	return dst
}

// makePortal makes the portal's record; fit tells whether the result formats
// suit the statement.
func (f *frontend) makePortal(st *statement, m *bindMessage) (p *portal, fit bool, err error) {
	outputs := st.plan.Outputs
	if c := st.plan.Cursor; c != nil {
		return &portal{statement: st, orgs: f.orgsOf(c.Query.Outputs, m, st)}, true, nil
	}
	if len(outputs) == 0 {
		return &portal{statement: st}, true, nil
	}
	if !countFits(m.resultFormats, st.plan.NumOutputs) {
		return &portal{statement: st}, false, nil
	}
	if p := st.lastPortal; p != nil && bytes.Equal(st.lastFormats, m.resultFormats) {
		return p, true, nil
	}
	rows := f.s.server.rowPlan(st.plan, func(i int) (client, server pgtypes.Format) {
		return formatOf(m.resultFormats, i), pgtypes.Binary
	})
	if len(st.plan.StepParams) > 0 {
		if err := rows.bindComputed(outputs, &boundParams{m, st}, f.s.settings.Load()); err != nil {
			return nil, true, err
		}
	}
	p = &portal{statement: st, rows: rows, orgs: f.orgsOf(outputs, m, st)}
	inParam := func(o rewrite.Output) bool { return o.Org.Kind == rewrite.OrgParam }
	if !slices.ContainsFunc(outputs, inParam) && len(st.plan.StepParams) == 0 {
		st.lastPortal, st.lastFormats = p, slices.Clone(m.resultFormats)
	}
	return p, true, nil
}

// orgsOf gives the orgs that outputs must have, "" where the statement and its
// parameters don't tell.
func (f *frontend) orgsOf(outputs []rewrite.Output, m *bindMessage, st *statement) []string {
	orgs := knownOrgs(outputs)
	for i := range outputs {
		if ref := &outputs[i].Org; ref.Kind == rewrite.OrgParam {
			org, err := f.orgOf(ref, &boundParams{m, st})
			if err == nil { // a WHERE that compares the org with NULL finds no row
				orgs[i] = org
			}
		}
	}
	return orgs
}

// boundParams are the values of a Bind, where an org may be found.
type boundParams struct {
	m  *bindMessage
	st *statement
}

// text appends the text form of a parameter; null when it is NULL or not there.
func (b *boundParams) text(dst []byte, number int, oid uint32, env *pgtypes.Env) (text []byte, null bool, err error) {
	m := b.m
	if number > len(m.values) || m.values[number-1] == nil || !countFits(m.paramFormats, m.count) {
		return dst, true, nil
	}
	if declared := b.st.declaredType(number); declared != 0 && declared != oidUnknown {
		oid = declared
	}
	dst, err = pgtypes.AppendText(dst, m.values[number-1], formatOf(m.paramFormats, number-1), oid, env)
	return dst, false, err
}
