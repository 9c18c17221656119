package rewrite

import (
	pg "github.com/pganalyze/pg_query_go/v6"
)

// DefaultMaxNesting is Limits.MaxNesting where none is given. Protocol buffers
// bound the tree at 10,000 messages deep; a level of SQL takes up to six.
const DefaultMaxNesting = 1000

// nesting bounds from above how deep the tree of a token list is, without
// parsing it: the parser is recursive in C, and a stack overflow there ends the
// process. It counts, for each bracket, what can nest between two commas.
func nesting(tokens []*pg.ScanToken) int {
	levels := make([]level, 1, 16)
	for _, token := range tokens {
		top := &levels[len(levels)-1]
		switch token.Token {
		case pg.Token_ASCII_40, pg.Token_ASCII_91: // ( [
			levels = append(levels, level{})
		case pg.Token_ASCII_41, pg.Token_ASCII_93: // ) ]
			if len(levels) > 1 {
				inner := top.depth() + 1
				levels = levels[:len(levels)-1]
				levels[len(levels)-1].contains(inner)
			}
		case pg.Token_ASCII_59: // ;
			if len(levels) == 1 {
				top.end(&top.chain)
				top.end(&top.sets)
			}
		case pg.Token_ASCII_44: // ,
			top.end(&top.chain)
		default:
			top.token(token)
		}
	}
	depth := 0
	for i := len(levels) - 1; i >= 0; i-- {
		levels[i].contains(depth)
		depth = levels[i].depth() + 1
	}
	return depth
}

// level is what was counted within one bracket. A part of it that is finished
// is remembered by its depth alone.
type level struct {
	ops   int // operators, prefixes and postfixes in a row
	chain int // JOIN and CASE: they hold whole expressions
	sets  int // UNION and its kin: they hold whole statements, commas and all
	cases int // CASE without its END
	inner int // the deepest bracket since the last operator that ends a part
	parts int // the deepest part of the current chain
	done  int // the deepest finished chain
}

func (l *level) part() int  { return max(l.parts, l.ops+l.inner) }
func (l *level) depth() int { return l.sets + max(l.done, l.chain+l.part()) }

// contains adds a bracket of that depth to the current part.
func (l *level) contains(depth int) { l.inner = max(l.inner, depth) }

// endPart begins a new operand, of which the old one is no part.
func (l *level) endPart() {
	l.parts, l.ops, l.inner = l.part(), 0, 0
}

// end begins a new chain, or with the counter of sets a new statement.
func (l *level) end(counter *int) {
	l.done = max(l.done, l.chain+l.part())
	if counter == &l.sets {
		l.done += l.sets
		l.sets = 0
	}
	l.chain, l.parts, l.ops, l.inner, l.cases = 0, 0, 0, 0, 0
}

// token counts a token that is no bracket and no comma.
func (l *level) token(t *pg.ScanToken) {
	switch t.Token {
	case pg.Token_IDENT, pg.Token_UIDENT, pg.Token_ICONST, pg.Token_FCONST, pg.Token_SCONST,
		pg.Token_USCONST, pg.Token_BCONST, pg.Token_XCONST, pg.Token_PARAM,
		pg.Token_SQL_COMMENT, pg.Token_C_COMMENT:
	case pg.Token_UNION, pg.Token_EXCEPT, pg.Token_INTERSECT:
		l.end(&l.chain)
		l.sets++
	case pg.Token_JOIN:
		l.endPart()
		l.chain++
	case pg.Token_CASE:
		l.ops++
		l.chain++
		l.cases++
	case pg.Token_END_P:
		l.cases = max(l.cases-1, 0)
	case pg.Token_AND, pg.Token_OR: // flat lists in the tree
		if l.cases == 0 {
			l.endPart()
		}
	case pg.Token_SELECT, pg.Token_WHERE, pg.Token_ON, pg.Token_VALUES, pg.Token_SET, pg.Token_HAVING:
		l.endPart()
	case pg.Token_WHEN, pg.Token_THEN, pg.Token_ELSE, pg.Token_AS, pg.Token_BY, pg.Token_FROM, pg.Token_NULL_P:
	default:
		if t.KeywordKind == pg.KeywordKind_NO_KEYWORD || countedKeyword[t.Token] {
			l.ops++
		}
	}
}

// countedKeyword are the keywords that make an expression of an expression.
// Reserved words and types' names don't nest by themselves.
var countedKeyword = map[pg.Token]bool{
	pg.Token_NOT: true, pg.Token_IS: true, pg.Token_ISNULL: true, pg.Token_NOTNULL: true,
	pg.Token_LIKE: true, pg.Token_ILIKE: true, pg.Token_SIMILAR: true, pg.Token_BETWEEN: true,
	pg.Token_IN_P: true, pg.Token_COLLATE: true, pg.Token_AT: true, pg.Token_ESCAPE: true,
	pg.Token_OPERATOR: true, pg.Token_OVERLAPS: true, pg.Token_ALL: true, pg.Token_ANY: true,
	pg.Token_SOME: true, pg.Token_ARRAY: true, pg.Token_EXPLAIN: true, pg.Token_NORMALIZED: true,
	pg.Token_FILTER: true, pg.Token_OVER: true, pg.Token_WITHIN: true,
}
