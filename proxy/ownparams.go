package proxy

import (
	"encoding/binary"
	"fmt"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/policy"
	"github.com/pgseal/pgseal/rewrite"
)

// ownParams are the parameters that a prepared statement has more than the client
// knows of. They stand behind the client's: first the session's org, where the
// statement writes it; then the literals that can't be sealed when the statement is
// prepared, since their org is one of the client's parameters. Each Bind seals them
// for the org that it brings.
type ownParams struct {
	clients int // how many parameters the client has
	org     bool
	late    []lateLiteral
}

// lateLiteral is a literal that is sealed when the statement is bound.
type lateLiteral struct {
	column    *policy.Column
	org       rewrite.OrgRef
	canonical []byte // plaintext, as the statement's own text is
}

// newOwnParams are those of a statement of the extended protocol. Its late literals
// come to it as the text is spliced.
func newOwnParams(plan *rewrite.Statement, declared []uint32) ownParams {
	if plan == nil {
		return ownParams{}
	}
	n := orgParam(plan, declared)
	return ownParams{clients: max(plan.NumParams, len(declared)), org: n > 0}
}

func (o *ownParams) count() int {
	if o.org {
		return 1 + len(o.late)
	}
	return len(o.late)
}

// all is how many parameters the server's statement has.
func (o *ownParams) all() int { return o.clients + o.count() }

// isLate tells whether a literal is sealed when the statement is bound.
func isLate(st *rewrite.Statement, l *rewrite.Literal) bool {
	return l.Org.Kind == rewrite.OrgParam && !l.Array && !st.Raw && !st.NoParams && st.Prepare == nil
}

// appendLate appends the parameter that takes the place of a literal.
func (f *frontend) appendLate(dst []byte, o *ownParams, l *rewrite.Literal) ([]byte, error) {
	if err := f.seal.readLiteral(l, f.s.settings.Load().literals); err != nil {
		return dst, err
	}
	o.late = append(o.late, lateLiteral{l.Column, l.Org, append([]byte(nil), f.seal.canonical...)})
	return fmt.Appendf(dst, "$%d::pgseal.sealed", o.all()), nil
}

// bindFits tells why the values of a Bind are not those that the client was told of,
// in the server's own words (exec_bind_message), which would count pgseal's own.
func (o *ownParams) bindFits(m *bindMessage) *pgerr.Error {
	switch {
	case m.fault == faultyParamFormats || m.fault == faultyCount: // the server finds it
	case !countFits(m.paramFormats, m.count):
		return &pgerr.Error{Code: pgerr.ProtocolViolation, Message: fmt.Sprintf("bind message has %d parameter formats but %d parameters", len(m.paramFormats)/2, m.count)}
	case m.count != o.clients:
		return &pgerr.Error{Code: pgerr.ProtocolViolation, Message: fmt.Sprintf("bind message supplies %d parameters, but prepared statement %q requires %d", m.count, m.statement, o.clients)}
	}
	return nil
}

// appendFormats appends the formats of pgseal's own parameters to the list that begins
// at a place. Of the org alone, which is a text, nothing need be said where one format,
// or none, is for all: it has the same bytes in both.
func (o *ownParams) appendFormats(dst []byte, at int) []byte {
	n := binary.BigEndian.Uint16(dst[at:])
	if o.count() == 0 || len(o.late) == 0 && n <= 1 {
		return dst
	}
	binary.BigEndian.PutUint16(dst[at:], n+uint16(o.count()))
	if o.org {
		dst = binary.BigEndian.AppendUint16(dst, uint16(pgtypes.Text))
	}
	for range o.late {
		dst = binary.BigEndian.AppendUint16(dst, uint16(pgtypes.Binary))
	}
	return dst
}

// appendOwnValues appends the values of pgseal's own parameters; those to seal as empty
// ones, which the type pgseal.sealed refuses, where there is a refusal.
func (f *frontend) appendOwnValues(dst []byte, st *statement, m *bindMessage, org string, refusal *pgerr.Error) ([]byte, *pgerr.Error) {
	if st.own.org {
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(org)))
		dst = append(dst, org...)
	}
	for i := range st.own.late {
		at := len(dst)
		dst = append(dst, 0, 0, 0, 0)
		if refusal == nil {
			var err error
			if dst, err = f.sealLate(dst, st, m, &st.own.late[i]); err != nil {
				refusal, dst = asClientError(err), dst[:at+4]
			}
		}
		binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	}
	return dst, refusal
}

// sealLate appends the sealed value of a literal.
func (f *frontend) sealLate(dst []byte, st *statement, m *bindMessage, l *lateLiteral) ([]byte, error) {
	org, err := f.orgOf(&l.org, &boundParams{m, st})
	if err != nil {
		return dst, err
	}
	f.seal.canonical = append(emptied(f.seal.canonical), l.canonical...)
	return f.seal.seal(dst, l.column, org)
}
