package pgexpr

import (
	"errors"
	"strconv"

	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/policy"
)

// Program is a chain of steps with their arguments. It is immutable.
type Program struct {
	steps []bound
	null  bool // an argument is NULL, and so is the result: the functions are strict
}

// bound is a step with its arguments read.
type bound struct {
	*Step
	numbers [2]int32
	path    []pgtypes.JSONKey
}

// Compile reads the steps' arguments. Param gives the text of a parameter, in UTF-8, and
// the type that it has in the session. Env is what constants are read by.
func Compile(steps []Step, env *pgtypes.Env, param func(a *Arg) (text []byte, oid uint32, null bool, err error)) (*Program, error) {
	p := &Program{}
	for i := range steps {
		b := bound{Step: &steps[i]}
		for j := range b.args {
			a := &b.args[j]
			text, oid, null := []byte(a.Text), a.OID, a.Null
			if a.Param > 0 {
				var err error
				if text, oid, null, err = param(a); err != nil {
					return nil, err
				}
			}
			if null {
				p.null = true
				continue
			}
			null, err := b.bind(j, text, oid, env)
			if err != nil {
				return nil, err
			}
			p.null = p.null || null
		}
		p.steps = append(p.steps, b)
	}
	return p, nil
}

// bind reads an argument that is not NULL; null tells that it makes the result so all
// the same.
func (b *bound) bind(i int, text []byte, oid uint32, env *pgtypes.Env) (null bool, err error) {
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
		return b.bindPath(text, env)
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

// keepScratch is the largest memory that is kept for the next value.
const keepScratch = 256 << 10

func emptied(b []byte) []byte {
	if cap(b) > keepScratch {
		return nil
	}
	return b[:0]
}

// Run computes on the canonical bytes of a value. The result is in canonical bytes of
// the last step's type; it holds until the next run with the scratch. An error is in
// Postgres's words, a *pgerr.Error that may quote the value.
func (p *Program) Run(s *Scratch, value []byte, env *pgtypes.Env) (result []byte, null bool, err error) {
	if p.null {
		return nil, true, nil
	}
	for i := range p.steps {
		s.out, null, err = p.steps[i].run(emptied(s.out), value, env)
		if err != nil || null {
			return nil, null, err
		}
		s.in, s.out = s.out, s.in
		value = s.in
	}
	return value, false, nil
}

func (b *bound) run(dst, value []byte, env *pgtypes.Env) (out []byte, null bool, err error) {
	jsonb := b.from.Kind == policy.JSONB
	switch b.function {
	case functionCast:
		out, err = b.cast.Append(dst, value, env)
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
