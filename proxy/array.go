package proxy

import (
	"encoding/binary"
	"encoding/hex"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/policy"
	"github.com/pgseal/pgseal/rewrite"
)

// Arrays whose elements are sealed one by one, on their way into unnest: what goes to
// the server is an array of pgseal.sealed, of one dimension.

// checkArray is checkDeclared for such an array.
func checkArray(declared uint32, p *rewrite.Param) *pgerr.Error {
	if declared == 0 || declared == oidUnknown {
		return &pgerr.Error{ // as Postgres says it
			Code: "42725", Message: "function unnest(unknown) is not unique",
			Hint: "Could not choose a best candidate function. You might need to add explicit type casts.", Position: p.Position,
		}
	}
	t, ok := policy.TypeOfOID(declared)
	if !ok || !t.Array || p.ByText && t.Kind != policy.Text && t.Kind != policy.Varchar {
		return &pgerr.Error{
			Code: pgerr.FeatureNotSupported, Message: "pgseal does not read the elements of a parameter of this type",
			Hint: "Declare the parameter as an array of the column's type.", Anchor: "other-type", Position: p.Position,
			Schema: p.Column.Table.Schema, Table: p.Column.Table.Name, Column: p.Column.Name,
		}
	}
	if p.ByText {
		return nil
	}
	if err := pgtypes.Assignable(policy.Type{Kind: t.Kind}.OID(), p.Column.Type, p.Column.Name); err != nil {
		placed := *asClientError(err)
		placed.Position = p.Position
		return &placed
	}
	return nil
}

// elementOrgs gives the org of the i-th element.
type elementOrgs func(i int) (string, error)

// sealElements seals the elements of an array of a type, and calls each with them; nil
// for NULL. What each gets holds until it returns.
func (f *frontend) sealElements(value []byte, format pgtypes.Format, typeOID uint32, byText bool, c *policy.Column, orgs elementOrgs, env *pgtypes.Env, each func(sealed []byte)) error {
	i := 0
	one := func(canonical []byte, null bool) error {
		i++
		if null {
			each(nil)
			return nil
		}
		org, err := orgs(i - 1)
		if err != nil {
			return err
		}
		if byText {
			err = f.seal.canonicalize(canonical, pgtypes.Text, c, env)
		} else {
			f.seal.canonical = append(emptied(f.seal.canonical), canonical...)
		}
		if err != nil {
			return err
		}
		sealed, err := f.seal.seal(emptied(f.scratch), c, org)
		if err != nil {
			return err
		}
		f.scratch = sealed
		each(sealed)
		return nil
	}
	if byText {
		t, _ := policy.TypeOfOID(typeOID)
		return pgtypes.Elements(value, format, t, env, one)
	}
	return pgtypes.AssignElements(value, format, typeOID, c.Type, c.Name, env, one)
}

// sealBoundArray appends the array that a parameter is, sealed, in binary (array_recv).
func (f *frontend) sealBoundArray(dst []byte, st *statement, m *bindMessage, p *rewrite.Param) ([]byte, error) {
	env := f.s.settings.Load().values
	orgs, err := f.boundOrgs(st, m, p, env)
	if err != nil {
		return dst, err
	}
	n := p.Number - 1
	at := len(dst)
	dst = f.appendArrayHeader(dst)
	count, nulls := uint32(0), uint32(0)
	err = f.sealElements(m.values[n], formatOf(m.paramFormats, n), typeOf(st, p), p.ByText, p.Column, orgs, env, func(sealed []byte) {
		count++
		if sealed == nil {
			nulls = 1
		}
		dst = appendValue(dst, sealed)
	})
	if err != nil {
		return dst, err
	}
	if count == 0 { // has no dimensions
		binary.BigEndian.PutUint32(dst[at:], 0)
		return dst[:at+12], nil
	}
	binary.BigEndian.PutUint32(dst[at+4:], nulls)
	binary.BigEndian.PutUint32(dst[at+12:], count)
	return dst, nil
}

// appendArrayHeader appends the beginning of an array of one dimension, from 1, without
// NULL, and of one element: the number of dimensions, whether there are NULLs, the
// elements' type, the number of elements, the first one's subscript.
func (f *frontend) appendArrayHeader(dst []byte) []byte {
	for _, n := range []uint32{1, 0, f.planner.sealedOID(), 1, 1} {
		dst = binary.BigEndian.AppendUint32(dst, n)
	}
	return dst
}

// appendRefusedArray appends an array of one empty value, which the type pgseal.sealed
// refuses as it does the empty value itself.
func (f *frontend) appendRefusedArray(dst []byte) []byte {
	return appendValue(f.appendArrayHeader(dst), []byte{})
}

// typeOf is the type of a sealed parameter.
func typeOf(st *statement, p *rewrite.Param) uint32 {
	if declared := st.declaredType(p.Number); declared != 0 && declared != oidUnknown {
		return declared
	}
	return p.TypeOID
}

// boundOrgs gives the orgs of a parameter's elements: one for all, or those that are the
// elements of another parameter.
func (f *frontend) boundOrgs(st *statement, m *bindMessage, p *rewrite.Param, env *pgtypes.Env) (elementOrgs, error) {
	if p.Org.Kind != rewrite.OrgElement {
		org, err := f.orgOf(&p.Org, &boundParams{m, st})
		return func(int) (string, error) { return org, err }, nil
	}
	var all []string // "" for NULL, as which no org can be stored
	none := func(int) (string, error) { return "", errOrgMissing }
	n := p.Org.Param - 1
	if n >= len(m.values) || m.values[n] == nil {
		return none, nil
	}
	t, ok := arrayOf(p.Org.TypeOID)
	if declared := st.declaredType(p.Org.Param); declared != 0 && declared != oidUnknown {
		written := t
		t, ok = policy.TypeOfOID(declared)
		ok = ok && t.Array && sameText(t.Kind, written.Kind)
	}
	if !ok {
		return none, nil
	}
	codec, err := pgtypes.For(policy.Type{Kind: t.Kind})
	if err != nil {
		return nil, err
	}
	var text []byte
	err = pgtypes.Elements(m.values[n], formatOf(m.paramFormats, n), t, env, func(canonical []byte, null bool) error {
		text = text[:0]
		if !null {
			if text, err = codec.Append(text, canonical, pgtypes.Text, env); err != nil {
				return err
			}
		}
		all = append(all, f.internOrg(text))
		return nil
	})
	return func(i int) (string, error) {
		if i >= len(all) || all[i] == "" {
			return "", errOrgMissing
		}
		return all[i], nil
	}, err
}

// sameText tells whether an org has the same text as a value of either type.
func sameText(a, b policy.Kind) bool {
	group := func(k policy.Kind) policy.Kind {
		switch k {
		case policy.Varchar:
			return policy.Text
		case policy.Int2, policy.Int8:
			return policy.Int4
		}
		return k
	}
	return group(a) == group(b)
}

// arrayOf is the type of arrays of the type with that OID.
func arrayOf(oid uint32) (policy.Type, bool) {
	t, ok := policy.TypeOfOID(oid)
	return policy.Type{Kind: t.Kind, Array: true}, ok
}

// appendArrayLiteral appends the sealed array of a literal, as a literal.
func (f *frontend) appendArrayLiteral(dst []byte, l *rewrite.Literal) ([]byte, error) {
	orgs := func(i int) (string, error) {
		if l.Orgs == nil {
			return f.orgOf(&l.Org, nil)
		}
		if i >= len(l.Orgs) || l.Orgs[i].Kind == rewrite.OrgUnknown {
			return "", errOrgMissing
		}
		return f.orgOf(&l.Orgs[i], nil)
	}
	dst = append(dst, `'{`...)
	first := true
	err := f.sealElements([]byte(l.Value), pgtypes.Text, l.TypeOID, l.ByText, l.Column, orgs, f.s.settings.Load().literals, func(sealed []byte) {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		if sealed == nil {
			dst = append(dst, "NULL"...)
			return
		}
		dst = append(dst, `"\\x`...)
		dst = hex.AppendEncode(dst, sealed)
		dst = append(dst, '"')
	})
	return append(dst, "}'::pgseal.sealed[]"...), err
}
