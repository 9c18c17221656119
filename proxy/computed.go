package proxy

import (
	"fmt"
	"slices"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgexpr"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/policy"
	"github.com/pgseal/pgseal/rewrite"
)

// What is computed of opened values: a program of the plan does it, made anew when a
// portal is bound with the parameters that are its arguments. The server gets NULL for
// those.

// bindComputed gives the columns of a portal that are computed with parameters their
// values.
func (p *rowPlan) bindComputed(outputs []rewrite.Output, params *boundParams, s *settings) error {
	for i := range outputs {
		if len(outputs[i].Steps) == 0 {
			continue
		}
		program, err := pgexpr.Compile(outputs[i].Steps, func(a *pgexpr.Arg) ([]byte, uint32, bool, error) { return params.stepArgument(a, s) })
		if err != nil {
			return err
		}
		p.columns[i].program = program
	}
	return nil
}

// checkStepParams tells why a parameter of what is computed cannot be of the type that
// the client declared, nil when it can.
func checkStepParams(st *rewrite.Statement, declared func(number int) uint32) *pgerr.Error {
	for i := range st.StepParams {
		p := &st.StepParams[i]
		if oid := declared(p.Number); oid != 0 && oid != oidUnknown && !slices.Contains(stepParamTypes(p), oid) {
			return &pgerr.Error{
				Code:    pgerr.FeatureNotSupported,
				Message: fmt.Sprintf("parameter $%d cannot be used in what is computed of a sealed column as it is declared", p.Number),
				Hint:    "Leave its type open, or declare it as the function takes it.", Anchor: "not-computable",
			}
		}
	}
	return nil
}

// stepParamTypes are the types that a parameter of what is computed may be declared as.
func stepParamTypes(p *rewrite.StepParam) []uint32 {
	switch {
	case p.OID == pgexpr.OIDTextArray:
		return []uint32{pgexpr.OIDTextArray}
	case p.OID == pgexpr.OIDInt2, p.OID == pgexpr.OIDInt4:
		return []uint32{pgexpr.OIDInt2, pgexpr.OIDInt4}
	case p.OID != pgexpr.OIDText && p.OID != pgexpr.OIDVarchar:
		return []uint32{p.OID}
	}
	return []uint32{pgexpr.OIDText, pgexpr.OIDVarchar, pgexpr.OIDInt2, pgexpr.OIDInt4}
}

// stepArgument gives the value of a parameter of what is computed.
func (b *boundParams) stepArgument(a *pgexpr.Arg, s *settings) (text []byte, oid uint32, null bool, err error) {
	i := slices.IndexFunc(b.st.plan.StepParams, func(p rewrite.StepParam) bool { return p.Number == a.Param })
	m := b.m
	if i < 0 || a.Param > len(m.values) || m.values[a.Param-1] == nil || !countFits(m.paramFormats, m.count) {
		return nil, a.OID, true, nil
	}
	p := &b.st.plan.StepParams[i]
	oid = p.OID
	if declared := b.st.declaredType(a.Param); declared != 0 && declared != oidUnknown {
		oid = declared
	}
	codec, ok := pgtypes.OIDCodec(oid)
	if !ok {
		return nil, oid, false, fmt.Errorf("internal error: parameter $%d of type %d is an argument", a.Param, oid)
	}
	canonical, err := codec.Canonical(nil, m.values[a.Param-1], formatOf(m.paramFormats, a.Param-1), s.values)
	if err != nil {
		return nil, oid, false, err
	}
	if text, err = codec.Append(nil, canonical, pgtypes.Text, s.literals); err != nil {
		return nil, oid, false, err
	}
	if p.Fixed {
		oid = a.OID
	}
	return text, oid, false, nil
}

// arrayCodec is the codec of the type of an array of opened values.
func arrayCodec(t policy.Type) pgtypes.Codec {
	c, err := pgtypes.For(t)
	if err != nil {
		panic("proxy: internal error: " + err.Error()) // all types of columns have arrays
	}
	return c
}

var sealedArray = policy.Type{Kind: policy.Bytea, Array: true}

// openArray opens the elements of an array of sealed values into b.rows.array, and
// computes on each.
func (b *backend) openArray(field []byte, f pgtypes.Format, c *policy.Column, org string, program *pgexpr.Program) error {
	b.rows.array.Reset()
	return pgtypes.Elements(field, f, sealedArray, b.s.settings.Load().literals, func(sealed []byte, null bool) error {
		if null && (program == nil || !program.TakesNull()) {
			b.rows.array.AddNull()
			return nil
		}
		var value []byte
		var err error
		if null {
			value, null, err = b.computeNull(program)
		} else {
			value, null, err = b.openComputed(sealed, c, org, program)
		}
		switch {
		case err != nil:
			return err
		case null:
			b.rows.array.AddNull()
		default:
			b.rows.array.Add(value)
		}
		return nil
	})
}
