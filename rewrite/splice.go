package rewrite

import (
	"fmt"
	"slices"
	"unicode/utf8"
)

// Splice appends a statement's own part of the text with its edits made and its
// literals replaced by what literal appends for the i-th. The error is literal's.
func Splice(dst []byte, text string, st *Statement, literal func(dst []byte, i int) ([]byte, error)) ([]byte, error) {
	at, edit, lit := st.Start, 0, 0
	var err error
	for edit < len(st.Edits) || lit < len(st.Literals) {
		if lit == len(st.Literals) || edit < len(st.Edits) && st.Edits[edit].Start < st.Literals[lit].Start {
			e := &st.Edits[edit]
			dst = append(dst, forward(text, at, e.Start)...)
			dst = append(dst, e.Text...)
			at = e.End
			edit++
			continue
		}
		l := &st.Literals[lit]
		dst = append(dst, forward(text, at, l.Start)...)
		if dst, err = literal(dst, lit); err != nil {
			return dst, err
		}
		at = l.End
		lit++
	}
	return append(dst, forward(text, at, st.End)...), nil
}

// SplicePlan appends the whole text with every statement spliced, and each that
// is refused replaced by refused.
func SplicePlan(dst []byte, text string, p *Plan, refused string, literal func(dst []byte, st *Statement, i int) ([]byte, error)) ([]byte, error) {
	at := 0
	for i := range p.Statements {
		st := &p.Statements[i]
		dst = append(dst, forward(text, at, st.Start)...)
		at = st.End
		if st.Refusal != nil {
			dst = append(dst, refused...)
			continue
		}
		var err error
		if dst, err = Splice(dst, text, st, func(dst []byte, i int) ([]byte, error) { return literal(dst, st, i) }); err != nil {
			return dst, err
		}
	}
	return append(dst, text[at:]...), nil
}

// forward is the text between two replacements. Those that overlap would send
// plaintext on, or half a literal.
func forward(text string, from, to int) string {
	if from > to {
		panic(fmt.Sprintf("rewrite: internal error: replacements overlap at byte %d", to))
	}
	return text[from:to]
}

// Alone is the statement as it would be planned with its part of the text alone.
func (st *Statement) Alone(text string) Statement {
	alone := *st
	if st.Start == 0 {
		return alone
	}
	by, characters := st.Start, utf8.RuneCountInString(text[:st.Start])
	alone.Start, alone.End = 0, st.End-by
	alone.Edits, alone.Literals, alone.Params = slices.Clone(st.Edits), slices.Clone(st.Literals), placed(st.Params, characters)
	for i := range alone.Edits {
		alone.Edits[i].Start -= by
		alone.Edits[i].End -= by
	}
	for i := range alone.Literals {
		alone.Literals[i].Start -= by
		alone.Literals[i].End -= by
	}
	if p := st.Prepare; p != nil {
		c := *p
		c.Statement.Params = placed(p.Statement.Params, characters)
		alone.Prepare = &c
	}
	return alone
}

func placed(params []Param, before int) []Param {
	params = slices.Clone(params)
	for i := range params {
		params[i].Position -= before
	}
	return params
}
