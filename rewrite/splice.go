package rewrite

import (
	"fmt"
	"slices"
)

// Splice appends a statement's own part of the text with its edits made, its
// literals replaced by what literal appends for the i-th, and what org appends for
// the i-th of its Orgs written in. The error is theirs.
func Splice(dst []byte, text string, st *Statement, literal, org func(dst []byte, i int) ([]byte, error)) ([]byte, error) {
	at, edit, lit, place := st.Start, 0, 0, 0
	start := func(i, n int, of func(i int) int) int {
		if i == n {
			return len(text) + 1
		}
		return of(i)
	}
	var err error
	for edit < len(st.Edits) || lit < len(st.Literals) || place < len(st.Orgs) {
		nextEdit := start(edit, len(st.Edits), func(i int) int { return st.Edits[i].Start })
		nextLiteral := start(lit, len(st.Literals), func(i int) int { return st.Literals[i].Start })
		nextPlace := start(place, len(st.Orgs), func(i int) int { return st.Orgs[i].At })
		switch {
		case nextPlace <= min(nextEdit, nextLiteral): // what is written in stands before what is replaced
			p := &st.Orgs[place]
			dst = append(append(dst, forward(text, at, p.At)...), p.Before...)
			if dst, err = org(dst, place); err != nil {
				return dst, err
			}
			dst = append(dst, p.After...)
			at = p.At
			place++
		case nextEdit <= nextLiteral:
			e := &st.Edits[edit]
			dst = append(append(dst, forward(text, at, e.Start)...), e.Text...)
			at = e.End
			edit++
		default:
			l := &st.Literals[lit]
			dst = append(dst, forward(text, at, l.Start)...)
			if dst, err = literal(dst, lit); err != nil {
				return dst, err
			}
			at = l.End
			lit++
		}
	}
	return append(dst, forward(text, at, st.End)...), nil
}

// SplicePlan appends the whole text with every statement spliced, and each that
// is refused replaced by refused.
func SplicePlan(dst []byte, text string, p *Plan, refused string, literal, org func(dst []byte, st *Statement, i int) ([]byte, error)) ([]byte, error) {
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
		of := func(f func([]byte, *Statement, int) ([]byte, error)) func([]byte, int) ([]byte, error) {
			return func(dst []byte, i int) ([]byte, error) { return f(dst, st, i) }
		}
		if dst, err = Splice(dst, text, st, of(literal), of(org)); err != nil {
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
func (st *Statement) Alone() Statement {
	alone := *st
	if st.Start == 0 {
		return alone
	}
	by, characters := st.Start, st.before
	alone.Start, alone.End, alone.before = 0, st.End-by, 0
	alone.Edits, alone.Literals, alone.Params, alone.Orgs = slices.Clone(st.Edits), slices.Clone(st.Literals), placed(st.Params, characters), slices.Clone(st.Orgs)
	alone.ShowsTypes = slices.Clone(st.ShowsTypes)
	for i := range alone.ShowsTypes {
		alone.ShowsTypes[i] -= by
	}
	for i := range alone.Edits {
		alone.Edits[i].Start -= by
		alone.Edits[i].End -= by
	}
	for i := range alone.Literals {
		alone.Literals[i].Start -= by
		alone.Literals[i].End -= by
		alone.Literals[i].At -= by
	}
	for i := range alone.Orgs {
		alone.Orgs[i].At -= by
	}
	if h := st.Held; h != nil {
		c := *h
		c.At -= characters
		alone.Held = &c
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
