package rewrite

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// The body of CREATE FUNCTION, where it is a string, is run by the server. What it
// reads may be sealed; it is opened on its way to the client. What it stores is
// refused by the type pgseal.sealed unless it is sealed. But a constant that it would
// store there is plaintext, which the server would keep with the function: mappers
// send an INSERT so, with its values in it, and call the function at once.

// maxBodies bounds strings within bodies that are SQL themselves.
const maxBodies = 4

// functionBody refuses a body that writes constants to sealed columns.
func (r *resolver) functionBody(s *pg.CreateFunctionStmt) {
	for _, option := range s.Options {
		if option.GetDefElem().GetDefname() != "as" {
			continue
		}
		for _, n := range option.GetDefElem().GetArg().GetList().GetItems() {
			if r.refusal == nil && r.rewriter.storesConstants(n.GetString_().GetSval(), r.env, maxBodies) {
				r.refusal = refuseBody()
			}
		}
	}
}

func refuseBody() *pgerr.Error {
	return &pgerr.Error{
		Code: pgerr.FeatureNotSupported, Message: "a function that writes values to a relation with sealed columns is not supported",
		Detail: "Its body is kept and run by the server, so pgseal cannot seal the values in it.",
		Hint:   "Send the statements of the body one by one.", Anchor: string(unsupportedStmt),
	}
}

// storesConstants tells whether a body, or a string in it that may be SQL, may store
// a constant in a sealed column.
func (r *Rewriter) storesConstants(body string, env Env, depth int) bool {
	found := scan(r, body)
	if !found.sealed && !found.hidden {
		return false
	}
	scanned, err := pg.Scan(body)
	if found.hidden || err != nil || depth == 0 {
		return writesWord(body) // spelled in escapes, of another language, or broken
	}
	tokens := withoutComments(scanned.Tokens)
	for i, t := range tokens {
		switch t.Token {
		case pg.Token_SCONST, pg.Token_USCONST:
			// A string that writes is put together when it runs, with values that are elsewhere.
			if nested := stringContent(body[t.Start:t.End]); writesWord(nested) && r.storesConstants(nested+" '' ", env, depth-1) {
				return true
			}
		case pg.Token_INSERT, pg.Token_UPDATE, pg.Token_MERGE:
			if r.writeStoresConstants(body, tokens[i:], env) {
				return true
			}
		}
	}
	return false
}

func withoutComments(all []*pg.ScanToken) []*pg.ScanToken {
	var tokens []*pg.ScanToken
	for _, t := range all {
		if t.Token != pg.Token_SQL_COMMENT && t.Token != pg.Token_C_COMMENT {
			tokens = append(tokens, t)
		}
	}
	return tokens
}

// writesWord tells whether a text may write at all.
func writesWord(text string) bool {
	lower := strings.ToLower(text)
	return strings.Contains(lower, "insert") || strings.Contains(lower, "update") || strings.Contains(lower, "merge")
}

// stringContent is what a string's token denotes, but for backslashes.
func stringContent(token string) string {
	if dollar := strings.IndexByte(token, '$'); dollar == 0 {
		tag := token[:strings.IndexByte(token[1:], '$')+2]
		return strings.TrimSuffix(strings.TrimPrefix(token, tag), tag)
	}
	if at := strings.IndexByte(token, '\''); at >= 0 {
		return strings.ReplaceAll(strings.TrimSuffix(token[at+1:], "'"), "''", "'")
	}
	return token
}

// writeStoresConstants looks at a statement of a body, from its first word on.
func (r *Rewriter) writeStoresConstants(body string, tokens []*pg.ScanToken, env Env) bool {
	end := len(tokens)
	for i, t := range tokens {
		if t.Token == pg.Token_ASCII_59 {
			end = i
			break
		}
	}
	tokens = tokens[:end]
	at := 1
	for at < len(tokens) && (tokens[at].Token == pg.Token_INTO || tokens[at].Token == pg.Token_ONLY) {
		at++
	}
	name, list := r.writtenName(body, tokens[at:])
	if name == nil || !hasConstant(tokens) {
		return false
	}
	if !list && tokens[0].Token == pg.Token_INSERT || r.namesColumn(body, tokens, name) {
		return !r.sealsNothing(body[tokens[0].Start:tokens[len(tokens)-1].End], tokens, env)
	}
	return false
}

// writtenName gives the words of the sealed relation that a statement writes, nil if
// it is none, and whether a list of columns may follow.
func (r *Rewriter) writtenName(body string, tokens []*pg.ScanToken) (columns map[string]bool, list bool) {
	i := 0
	word := ""
	for ; i < len(tokens) && isWord(tokens[i]); i++ {
		word = identifier(body[tokens[i].Start:tokens[i].End])
		if i+1 >= len(tokens) || tokens[i+1].Token != pg.Token_ASCII_46 {
			i++
			break
		}
		i++
	}
	for _, rel := range r.snapshot.Relations(word) {
		for _, c := range rel.Columns {
			if c.Sealed || c.Policy != nil {
				columns = addName(columns, c.Name)
			}
		}
	}
	for _, t := range r.snapshot.Policy().Tables {
		if t.Name == word {
			for _, c := range t.Columns {
				columns = addName(columns, c.Name)
			}
		}
	}
	return columns, i < len(tokens) && tokens[i].Token == pg.Token_ASCII_40
}

func addName(names map[string]bool, name string) map[string]bool {
	if names == nil {
		names = make(map[string]bool)
	}
	names[name] = true
	return names
}

// identifier is a name as the catalog has it.
func identifier(word string) string {
	if strings.HasPrefix(word, `"`) {
		return strings.ReplaceAll(strings.Trim(word, `"`), `""`, `"`)
	}
	return strings.ToLower(word)
}

func (r *Rewriter) namesColumn(body string, tokens []*pg.ScanToken, columns map[string]bool) bool {
	for _, t := range tokens {
		if isWord(t) && columns[identifier(body[t.Start:t.End])] {
			return true
		}
	}
	return false
}

func hasConstant(tokens []*pg.ScanToken) bool {
	for _, t := range tokens {
		switch t.Token {
		case pg.Token_SCONST, pg.Token_USCONST, pg.Token_BCONST, pg.Token_XCONST, pg.Token_ICONST, pg.Token_FCONST, pg.Token_TRUE_P, pg.Token_FALSE_P:
			return true
		}
	}
	return false
}

// sealsNothing tells whether the statement, as far as it is SQL, has no value to seal.
// PL/pgSQL's INTO behind RETURNING is left out.
func (r *Rewriter) sealsNothing(text string, tokens []*pg.ScanToken, env Env) bool {
	for i := len(tokens) - 1; i > 1; i-- {
		if tokens[i].Token == pg.Token_INTO {
			text = text[:tokens[i].Start-tokens[0].Start]
			break
		}
	}
	env.Extended, env.CatalogIsFresh = true, true
	p := r.Plan(text, env)
	if p.Refusal != nil || p.NeedsSearchPath || p.NeedsCatalog {
		return false
	}
	for i := range p.Statements {
		if st := &p.Statements[i]; st.Refusal != nil || len(st.Literals) > 0 {
			return false
		}
	}
	return true
}
