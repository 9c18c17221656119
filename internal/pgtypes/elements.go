package pgtypes

import (
	"encoding/binary"

	"github.com/pgseal/pgseal/policy"
)

// Array makes the canonical bytes of an array whose first element has the subscript 1.
// The zero value is an empty array.
type Array struct{ canonical []byte }

// Reset empties the array and keeps its buffer.
func (a *Array) Reset() { a.canonical = a.canonical[:0] }

// Add appends an element, by the canonical bytes of its type.
func (a *Array) Add(canonical []byte) {
	a.begin()
	a.canonical = binary.BigEndian.AppendUint32(a.canonical, uint32(len(canonical)))
	a.canonical = append(a.canonical, canonical...)
}

// AddNull appends NULL.
func (a *Array) AddNull() {
	a.begin()
	a.canonical = binary.BigEndian.AppendUint32(a.canonical, noElement)
}

func (a *Array) begin() {
	if len(a.canonical) == 0 {
		a.canonical = binary.BigEndian.AppendUint32(a.canonical, 1)
	}
}

// Canonical gives the array's canonical bytes; they hold until it is changed. The codec
// of the array type appends them in text or binary.
func (a *Array) Canonical() []byte { return a.canonical }

// Elements reads an array of type t (policy.Type.Array) as a client or the server sends
// it in format f, and calls each with every element's canonical bytes, which hold until
// each returns; nil for NULL. In binary, elements that name a type of the database's
// own, such as a domain, are read as t's. An error of each comes back as it is.
func Elements(value []byte, f Format, t policy.Type, env *Env, each func(canonical []byte, null bool) error) error {
	c, err := For(t)
	if err != nil {
		return err
	}
	canonical, err := c.Canonical(nil, value, f, env)
	if err != nil {
		return err
	}
	return CanonicalElements(canonical, each)
}

// CanonicalElements calls each with the elements of an array's canonical bytes.
func CanonicalElements(canonical []byte, each func(canonical []byte, null bool) error) error {
	_, rest, ok := canonicalArray(canonical)
	if !ok {
		return notCanonical("array")
	}
	for len(rest) > 0 {
		element, behind, null, ok := cutElement(rest)
		if !ok {
			return notCanonical("array")
		}
		if err := each(element, null); err != nil {
			return err
		}
		rest = behind
	}
	return nil
}

// AssignElements reads an array that a client sends in format f, declared to be of the
// array type with the OID declared, and calls each with every element as a value of the
// column's type to, as Assign gives it; nil for NULL. All elements are read before the
// first is assigned. What is not an array type is an error.
func AssignElements(value []byte, f Format, declared uint32, to policy.Type, column string, env *Env, each func(canonical []byte, null bool) error) error {
	array, ok := policyArray(declared)
	if !ok {
		return cannotConvert(declared, to, "")
	}
	element := policy.Type{Kind: array.Kind}
	if err := Assignable(element.OID(), to, column); err != nil {
		return err
	}
	target, err := kindFor(to)
	if err != nil {
		return err
	}
	source := byOID[element.OID()]
	if source == nil {
		return cannotConvert(declared, to, "")
	}
	canonical, err := byOID[declared].Canonical(nil, value, f, env)
	if err != nil {
		return err
	}
	var assigned []byte
	return CanonicalElements(canonical, func(value []byte, null bool) error {
		if null {
			return each(nil, true)
		}
		assigned, err = assign(assigned[:0], value, source.kind, target, env)
		if err != nil {
			return err
		}
		return each(assigned, false)
	})
}

// policyArray gives the array type that has an OID.
func policyArray(oid uint32) (policy.Type, bool) {
	t, ok := policy.TypeOfOID(oid)
	return t, ok && t.Array
}
