package proxy

import (
	"cmp"
	"encoding/binary"
	"errors"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgexpr"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/policy"
	"github.com/pgseal/pgseal/rewrite"
)

// rowPlan tells which fields of a result's rows are to be opened. It is
// immutable.
type rowPlan struct {
	fields  int // that a row has
	columns []rowColumn
}

// rowColumn is a field to be opened.
type rowColumn struct {
	index          int
	column         *policy.Column
	typ            policy.Type     // that the client sees
	noModifier     bool            // without a modifier
	steps          []pgexpr.Step   // what is computed of the value; none: it is handed on
	program        *pgexpr.Program // runs them, nil without
	codec          pgtypes.Codec   // of typ
	array          bool            // an array of sealed values
	server, client pgtypes.Format  // that the server sends, that the client asked for
	org            rewrite.OrgRef
	orgFormat      pgtypes.Format // of the field that the org is in
}

// rowPlan makes the plan of a statement's rows; formats gives those of a field.
// Nil when there is nothing to open.
func (srv *Server) rowPlan(st *rewrite.Statement, formats func(i int) (client, server pgtypes.Format)) *rowPlan {
	if len(st.Outputs) == 0 {
		return nil
	}
	p := &rowPlan{fields: st.NumOutputs, columns: make([]rowColumn, len(st.Outputs))}
	for i := range st.Outputs {
		o := &st.Outputs[i]
		c := &p.columns[i]
		*c = rowColumn{index: o.Index, column: o.Column, typ: o.Type, noModifier: o.NoModifier, array: o.Array, steps: o.Steps, program: o.Program, codec: srv.codecs[o.Column], org: o.Org}
		if o.Program != nil {
			c.codec = o.Program.Codec()
		}
		if o.Array {
			c.codec = arrayCodec(o.Type)
		}
		c.client, c.server = formats(o.Index)
		if o.Org.Kind == rewrite.OrgField {
			c.orgFormat, _ = formats(o.Org.Field)
		}
	}
	return p
}

// oidBytea is what the server describes a sealed column as: the base type of
// the domain.
const oidBytea = 17

// Arrays of the domain have a type that the database has made; those of an expression
// that may be NULL are of bytea.
const (
	oidByteaArray = 1001
	firstUserOID  = 16384 // FirstNormalObjectId
)

// describesSealed tells whether the server can describe a sealed column, or an array of
// one, as of a type.
func describesSealed(oid uint32, array bool) bool {
	if array {
		return oid == oidByteaArray || oid >= firstUserOID
	}
	return oid == oidBytea
}

// errStalePlan is why rows are not handed out: the server describes them
// otherwise than the plan has it.
var errStalePlan = errors.New("the result's columns are not those that the statement was planned for")

func stalePlan() *pgerr.Error {
	return &pgerr.Error{
		Code:    pgerr.FeatureNotSupported,
		Message: "the table has changed since pgseal last read the catalog",
		Hint:    "Run the statement again.",
		Anchor:  "catalog-changed",
		Cause:   errStalePlan,
	}
}

// handleRowDescription gives sealed columns their logical type back. In a simple
// Query it also begins the rows of the statement at hand.
func (b *backend) handleRowDescription(frame, body []byte, r *reply) error {
	if f := r.fetchAt(); f != nil {
		return b.describeFetched(frame, r, f)
	}
	st := r.statementOf()
	if r.kind == replyQuery {
		b.rows.begin(b.s, r, st)
	}
	if st == nil || len(st.Outputs) == 0 {
		b.out.relay(frame)
		return nil
	}
	dst := b.out.begin()
	at := len(dst)
	dst = append(dst, frame...)
	fields, ok := fieldOffsets(dst[at+headerSize:], b.rows.offsets[:0])
	b.rows.offsets = fields
	if !ok || len(fields) != st.NumOutputs {
		b.out.buf = dst[:at]
		return b.stale()
	}
	for i := range st.Outputs {
		o := &st.Outputs[i]
		field := dst[at+headerSize+fields[o.Index]:]
		if !describesSealed(binary.BigEndian.Uint32(field[6:]), o.Array) {
			b.out.buf = dst[:at]
			return b.stale()
		}
		format := pgtypes.Text // of a statement's columns, before they are bound
		if p := r.portal; p != nil && p.rows != nil {
			format = p.rows.columns[i].client
		}
		setLogicalType(field, o.Type, o.NoModifier, format)
		if o.Program != nil {
			setComputed(field)
		}
	}
	b.out.buf = dst
	return nil
}

// setLogicalType gives a field its logical type; it begins behind the field's name.
func setLogicalType(field []byte, t policy.Type, noModifier bool, format pgtypes.Format) {
	typmod := t.Typmod()
	if noModifier {
		typmod = -1
	}
	binary.BigEndian.PutUint32(field[6:], t.OID())
	binary.BigEndian.PutUint16(field[10:], uint16(t.Size()))
	binary.BigEndian.PutUint32(field[12:], uint32(typmod))
	binary.BigEndian.PutUint16(field[16:], uint16(format))
}

// setComputed says of a field what Postgres says of an expression: it is no column.
func setComputed(field []byte) {
	binary.BigEndian.PutUint32(field, 0)
	binary.BigEndian.PutUint16(field[4:], 0)
}

// stale gives up on a result, and has the catalog loaded again.
func (b *backend) stale() error {
	b.s.server.plans.invalidate()
	return b.openFailed(stalePlan())
}

// fieldOffsets finds, for each field of a RowDescription's body, where its fixed
// part behind the name begins: table OID (4), attribute number (2), type OID
// (4), type size (2), type modifier (4), format (2).
func fieldOffsets(body []byte, offsets []int) ([]int, bool) {
	if len(body) < 2 {
		return offsets, false
	}
	n := int(binary.BigEndian.Uint16(body))
	at := 2
	for range n {
		name, _, ok := cutString(body[at:])
		if !ok || len(body) < at+len(name)+1+18 {
			return offsets, false
		}
		at += len(name) + 1
		offsets = append(offsets, at)
		at += 18
	}
	return offsets, at == len(body)
}

// handleParameterDescription gives sealed parameters their logical type back.
func (b *backend) handleParameterDescription(frame, body []byte, r *reply) error {
	st := r.statement
	if st == nil || st.plan == nil || len(st.plan.Params) == 0 && st.own.count() == 0 || st.plan.Raw || len(body) < 2 {
		b.out.relay(frame)
		return nil
	}
	n := int(binary.BigEndian.Uint16(body))
	dst := b.out.begin()
	start := len(dst)
	at := start + headerSize + 2
	dst = append(dst, frame...)
	for i := range st.plan.Params {
		p := &st.plan.Params[i]
		if p.Number > n || len(body) < 2+4*p.Number {
			continue
		}
		oid := cmp.Or(st.declaredType(p.Number), p.TypeOID, p.Column.Type.OID())
		binary.BigEndian.PutUint32(dst[at+4*(p.Number-1):], oid)
	}
	if own := st.own.count(); own > 0 && n == st.own.all() { // pgseal's are the last
		dst = dst[:len(dst)-4*own]
		binary.BigEndian.PutUint16(dst[at-2:], uint16(n-own))
	}
	dst, err := endMessage(dst, start)
	b.out.buf = dst
	return err
}
