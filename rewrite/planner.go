package rewrite

import (
	"cmp"
	"errors"
	"strings"
	"unicode/utf8"

	pg "github.com/pganalyze/pg_query_go/v6"
	"github.com/pganalyze/pg_query_go/v6/parser"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// Plan decides what is done with a text. It never fails: what goes wrong is a
// refusal.
func (r *Rewriter) Plan(text string, env Env) (plan *Plan) {
	s := scan(r, text)
	if !env.UTF8 && r.words.wide && !ascii(text) {
		s.hidden = true // the names in it are not spelled as the snapshot's are
	}
	if !s.sealed && !s.hidden && !s.parse && !s.catalog && !s.setsOrg() && !s.effects.PlannedAsCursors(env) {
		return &Plan{Relay: true, Effects: s.effects}
	}
	defer func() {
		if failure := recover(); failure != nil { // fail closed, and without the panic's text, which may hold values
			plan = refusedPlan(s.effects, &pgerr.Error{
				Code: pgerr.FeatureNotSupported, Message: "pgseal could not plan this statement",
				Detail: "This is a defect of pgseal.", Hint: "Please report it, with the statement's form but not its values.",
				Anchor: string(internalError),
			})
		}
	}()
	// What an EXECUTE has in it may be meant for a sealed column.
	relayUnread := !s.sealed && !s.hidden && (s.effects&ExecutesStatements == 0 || !env.SealedNames)
	if e := readable(text, env); e != nil {
		if relayUnread {
			return relayedPlan(text, s.effects)
		}
		return refusedPlan(s.effects, e)
	}
	tokens, tree, e := r.parse(text)
	if e != nil {
		if relayUnread && (e.Code == pgerr.SyntaxError && !s.runs || !s.parse) {
			return relayedPlan(text, s.effects)
		}
		return refusedPlan(s.effects, e)
	}
	plan = r.planTree(text, env, s, tokens, tree)
	if relayUnread && !s.parse && !s.effects.PlannedAsCursors(env) && !plan.isNeeded() {
		return relayedPlan(text, s.effects)
	}
	return plan
}

// relayedPlan relays a text that may call functions, for all that is known.
func relayedPlan(text string, effects Effects) *Plan {
	if strings.IndexByte(text, '(') >= 0 {
		effects |= CallsFunctions
	}
	return &Plan{Relay: true, Effects: effects}
}

// isNeeded tells whether a text that names nothing sealed is not simply relayed.
func (p *Plan) isNeeded() bool {
	for i := range p.Statements {
		if p.Statements[i].Refusal != nil || len(p.Statements[i].ShowsTypes) > 0 || len(p.Statements[i].SetsOrg) > 0 {
			return true
		}
	}
	return p.NeedsSearchPath
}

func refusedPlan(effects Effects, e *pgerr.Error) *Plan { return &Plan{Effects: effects, Refusal: e} }

// readable tells whether the parser sees in the text what the server will see.
func readable(text string, env Env) *pgerr.Error {
	refuse := func(message, hint string) *pgerr.Error {
		return &pgerr.Error{Code: pgerr.FeatureNotSupported, Message: message, Hint: hint, Anchor: string(cannotRead)}
	}
	switch {
	case strings.IndexByte(text, 0) >= 0:
		return refuse("a statement on sealed columns cannot hold a NUL byte", "")
	case !env.UTF8 && !ascii(text):
		return refuse("a statement on sealed columns must be plain ASCII when client_encoding is not UTF8",
			"SET client_encoding TO 'UTF8', or give the values as parameters.")
	case !utf8.ValidString(text):
		return &pgerr.Error{Code: pgerr.CharacterNotInRepertory, Message: "a statement on sealed columns is not valid UTF-8",
			Hint: "SET client_encoding to what the client sends.", Anchor: string(cannotRead)}
	case !env.StandardStrings:
		return refuse("statements on sealed columns need standard_conforming_strings to be on",
			"SET standard_conforming_strings TO on.")
	}
	return nil
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// parse parses a text that is not too deep for it.
func (r *Rewriter) parse(text string) ([]*pg.ScanToken, *pg.ParseResult, *pgerr.Error) {
	scanned, err := pg.Scan(text)
	if err != nil {
		return nil, nil, syntaxError(err)
	}
	limit := r.limits.MaxNesting
	if limit <= 0 {
		limit = DefaultMaxNesting
	}
	if nesting(scanned.Tokens) > limit {
		return nil, nil, errTooDeep()
	}
	tree, err := pg.Parse(text)
	if err != nil {
		return nil, nil, syntaxError(err)
	}
	return scanned.Tokens, tree, nil
}

func errTooDeep() *pgerr.Error {
	return &pgerr.Error{
		Code: pgerr.StatementTooComplex, Message: "stack depth limit exceeded",
		Detail: "The statement nests operators, joins, set operations or brackets too deep for pgseal to parse.",
		Hint:   "Use IN or ANY for long lists of alternatives, VALUES for long lists of rows, or send several statements.",
		Anchor: string(tooDeep),
	}
}

// syntaxError is Postgres's own answer to a text that does not parse. What is
// not one (the tree is too deep to be read) is a refusal.
func syntaxError(err error) *pgerr.Error {
	var e *parser.Error
	if !errors.As(err, &e) {
		return errTooDeep()
	}
	return &pgerr.Error{Code: pgerr.SyntaxError, Message: e.Message, Position: e.Cursorpos, Echoes: true}
}

// planTree plans the statements of a parsed text.
func (r *Rewriter) planTree(text string, env Env, s scanned, tokens []*pg.ScanToken, tree *pg.ParseResult) *Plan {
	plan := &Plan{Effects: s.effects}
	var before earlier
	characters := &positions{text: text}
	for _, raw := range tree.Stmts {
		st := Statement{Start: int(raw.StmtLocation), End: len(text), before: characters.at(raw.StmtLocation) - 1}
		if raw.StmtLen > 0 {
			st.End = st.Start + int(raw.StmtLen)
		}
		res := &resolver{
			rewriter: r, snapshot: r.snapshot, env: env, text: text, tokens: tokens, positions: characters,
			st: &st, before: &before,
		}
		res.resolve(raw.Stmt)
		res.finish()
		res.keepPrepared()
		if res.refusal == nil {
			res.refusal = cmp.Or(before.refusal(&st), before.ofRaw(res))
		}
		if res.calls {
			plan.Effects |= CallsFunctions
		}
		plan.NeedsSearchPath = plan.NeedsSearchPath || res.needsPath && (res.touches || res.reads.path)
		plan.NeedsCatalog = plan.NeedsCatalog || res.needsFresh && res.touches
		if res.refusal != nil {
			st = Statement{Start: st.Start, End: st.End, Refusal: res.refusal}
		}
		before.note(raw.Stmt, res)
		plan.Statements = append(plan.Statements, st)
	}
	if plan.NeedsSearchPath || plan.NeedsCatalog {
		return &Plan{Effects: s.effects, NeedsSearchPath: plan.NeedsSearchPath, NeedsCatalog: plan.NeedsCatalog}
	}
	if len(plan.Statements) == 0 {
		plan.Relay = true // nothing but comments
	}
	return plan
}
