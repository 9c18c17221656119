package pgexpr

import (
	"errors"
	"slices"
	"strconv"

	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/policy"
)

// Program is a chain of steps with their arguments. It is immutable.
type Program struct {
	steps   []bound
	codec   pgtypes.Codec // of the result's type
	unbound bool          // a parameter was not given
}

// Codec is that of the result's type.
func (p *Program) Codec() pgtypes.Codec { return p.codec }

// errUnbound is for what would be a value that nobody asked for.
var errUnbound = errors.New("internal error: a parameter of what is computed of a sealed column is not bound")

// bound is a step with its arguments read.
type bound struct {
	*Step
	numbers [2]int32
	path    []pgtypes.JSONKey
	value   []byte // canonical, of functionDefault
	null    bool   // an argument is NULL, and so is the result: the functions are strict
}

// TakesNull tells whether the program makes another value of NULL.
func (p *Program) TakesNull() bool {
	return slices.ContainsFunc(p.steps, func(b bound) bool { return b.function == functionDefault })
}

// ParamFunc gives the value of a parameter, as text in UTF-8, and the type that it has
// in the session.
type ParamFunc func(a *Arg) (text []byte, oid uint32, null bool, err error)

// Compile reads the arguments of steps, of which there is one at least. Without param
// a Program that has parameters cannot run.
func Compile(steps []Step, param ParamFunc) (*Program, error) {
	codec, err := pgtypes.For(steps[len(steps)-1].to)
	if err != nil {
		return nil, err
	}
	p := &Program{codec: codec, steps: make([]bound, len(steps))}
	for i := range steps {
		p.steps[i].Step = &steps[i]
		for j := range steps[i].args {
			if err := p.argument(&p.steps[i], j, param); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

// argument reads the i-th argument of a step.
func (p *Program) argument(b *bound, i int, param ParamFunc) error {
	a := &b.args[i]
	text, oid, null := []byte(a.Text), a.OID, a.Null
	if a.Param > 0 {
		if param == nil {
			p.unbound = true
			return nil
		}
		var err error
		if text, oid, null, err = param(a); err != nil {
			return err
		}
	}
	if !null {
		var err error
		if null, err = b.bind(i, text, oid); err != nil {
			return err
		}
	}
	b.null = b.null || null
	return nil
}

// bind reads an argument that is not NULL; null tells that it makes the result so all
// the same.
func (b *bound) bind(i int, text []byte, oid uint32) (null bool, err error) {
	switch b.function {
	case functionField, functionFieldText:
		if oid == OIDInt4 || oid == OIDInt2 {
			n, err := number(text)
			b.path = []pgtypes.JSONKey{pgtypes.IndexOf(int(n))}
			return false, err
		}
		b.path = []pgtypes.JSONKey{pgtypes.KeyOf(string(text))}
		return false, nil
	case functionPath, functionPathText:
		return b.bindPath(text)
	case functionDefault:
		codec, err := pgtypes.For(b.to)
		if err != nil {
			return false, err
		}
		b.value, err = codec.Canonical(nil, text, pgtypes.Text, utf8Env)
		return false, err
	}
	b.numbers[i], err = number(text)
	return false, err
}

func number(text []byte) (int32, error) {
	n, err := strconv.ParseInt(string(text), 10, 32)
	if err != nil {
		return 0, errors.New("internal error: an argument of type integer is none")
	}
	return int32(n), nil
}

// Scratch is memory that a Program works in. It holds plaintext until the next run.
type Scratch struct{ in, out []byte }

// Drop forgets what the scratch holds.
func (s *Scratch) Drop() { *s = Scratch{} }

// keepScratch is the largest memory that is kept for the next value.
const keepScratch = 256 << 10

func emptied(b []byte) []byte {
	if cap(b) > keepScratch {
		return nil
	}
	return b[:0]
}

// Run computes on the canonical bytes of a value, or on NULL. The result is in canonical
// bytes of the last step's type; it holds until the next run with the scratch. An error
// is in Postgres's words, a *pgerr.Error that may quote the value.
func (p *Program) Run(s *Scratch, value []byte, null bool, env *pgtypes.Env) (result []byte, isNull bool, err error) {
	if p.unbound {
		return nil, false, errUnbound
	}
	for i := range p.steps {
		b := &p.steps[i]
		switch {
		case b.function == functionDefault && null:
			value, null = b.value, b.null
		case b.function == functionDefault:
		case null || b.null:
			null = true
		default:
			if s.out, null, err = b.run(emptied(s.out), value, env); err != nil {
				return nil, false, err
			}
			s.in, s.out = s.out, s.in
			value = s.in
		}
	}
	if null {
		return nil, true, nil
	}
	return value, false, nil
}

func (b *bound) run(dst, value []byte, env *pgtypes.Env) (out []byte, null bool, err error) {
	jsonb := b.from.Kind == policy.JSONB
	switch b.function {
	case functionCast:
		if out, err = b.cast.Append(dst, value, env); pgtypes.GivesNull(err) {
			return out, true, nil
		}
		return out, false, err
	case functionField, functionPath:
		return pgtypes.GetJSON(dst, value, jsonb, false, b.path)
	case functionFieldText, functionPathText:
		return pgtypes.GetJSON(dst, value, jsonb, true, b.path)
	case functionCharacters:
		return appendInt4(dst, characters(value)), false, nil
	case functionTrimmed:
		return appendInt4(dst, characters(trimmed(value))), false, nil
	case functionOctets:
		return appendInt4(dst, len(value)), false, nil
	case functionLeft:
		return append(dst, left(value, b.numbers[0])...), false, nil
	case functionRight:
		return append(dst, right(value, b.numbers[0])...), false, nil
	}
	part, err := substring(value, b.numbers[0], b.numbers[1], len(b.args) > 1, b.function == functionByteSubstring)
	return append(dst, part...), false, err
}
