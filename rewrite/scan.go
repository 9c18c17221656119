package rewrite

import (
	"slices"
	"unicode/utf8"
)

// maxIdentifier is the longest name in bytes that Postgres keeps; it cuts longer
// ones off (NAMEDATALEN - 1, truncate_identifier in scansup.c).
const maxIdentifier = 63

// scanned is what one pass over a text's bytes tells.
type scanned struct {
	sealed  bool // it may name a relation that carries sealed columns
	hidden  bool // it has names that only the parser can read
	parse   bool // it must be parsed for other reasons
	cursor  bool // the word at hand is DECLARE, FETCH, MOVE or CLOSE
	execute bool // it is EXECUTE
	runs    bool // a statement begins with EXECUTE
	effects Effects
	pgseal  bool // the word was seen, which begins the name of pgseal's settings
	// The first and the last word of the name of a setting that orgs come from were seen.
	orgFirst, orgLast bool
	catalog           bool // it may read what the catalog has of columns' types, rename a schema, or use the type pgseal.sealed
}

// leading is told where a word lies. DECLARE, FETCH, MOVE and CLOSE matter only where
// a statement begins: FETCH FIRST 10 ROWS ONLY is no FETCH. So EXECUTE matters more.
func leading[T string | []byte](s *scanned, have *credit, text T, start int) {
	if !s.cursor && !s.execute {
		return
	}
	for start > 0 && isSpace(text[start-1]) {
		start--
	}
	if have.comment || start == 0 || text[start-1] == ';' {
		s.runs = s.runs || s.execute
		if s.cursor {
			s.effects |= UsesCursors
		}
	}
	s.cursor, s.execute = false, false
}

// isSpace tells what stands between words (scanner_isspace).
func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// Scan tells from the bytes alone whether a text has to be planned, and what it
// may change. It looks at every word, within string literals, quoted names and
// comments too, so it errs on the side of yes. It does not allocate.
func (r *Rewriter) Scan(text []byte) (mustParse bool, effects Effects) {
	s := scan(r, text)
	return s.sealed || s.hidden || s.parse || s.catalog || s.setsOrg(), s.effects
}

// Classes of bytes, after ident_start and ident_cont of Postgres's scan.l. Those
// up to digit make up words that can be told by their looks, those up to wide
// all words.
const (
	letter byte = iota // ASCII, or an underscore
	digit
	dollar
	wide // beyond ASCII
	other
	quote
	special // a byte that the scan acts on
)

var class = func() (class [256]byte) {
	for c := range 256 {
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c == '_':
			class[c] = letter
		case c >= '0' && c <= '9':
			class[c] = digit
		case c == '$':
			class[c] = dollar
		case c >= utf8.RuneSelf:
			class[c] = wide
		case c == '"':
			class[c] = quote
		case c == ';', c == '/', c == '-':
			class[c] = special
		default:
			class[c] = other
		}
	}
	return class
}()

// credit counts the words that make a later word harmless: the SET of an UPDATE
// changes no setting, the INTO of an INSERT makes no table. Comments could hold
// such words, so there is no credit once one was seen; a semicolon takes it away.
type credit struct {
	update, insert, conflict bool
	comment                  bool
}

// scan goes over the text once. What it does for each byte is little, and most
// words are told to be harmless by their looks (see words): it is all that a
// statement on nothing sealed pays.
func scan[T string | []byte](r *Rewriter, text T) scanned {
	var found scanned
	var have credit
	lastQuote, lastWide := -1, -1
	for i := 0; i < len(text); {
		switch class[text[i]] {
		case letter:
			start := i
			for i++; i < len(text) && class[text[i]] <= digit; i++ {
			}
			if i < len(text) && class[text[i]] <= wide {
				i = rareWord(r, &found, &have, text, start, &lastWide)
				continue
			}
			if n := i - start; r.words.mayHave(n, text[start], text[start+n/2], text[i-1]) {
				plainWord(r, &found, &have, text[start:i])
				leading(&found, &have, text, start)
			}
			continue
		case wide:
			i = rareWord(r, &found, &have, text, i, &lastWide)
			continue
		case quote:
			if lastQuote >= 0 {
				between := text[lastQuote+1 : i]
				switch {
				case len(between) == 0:
					// A doubled quote, which may be part of a name. Without one
					// in any sealed name there is nothing to find: what Postgres
					// keeps of a longer name is before the quote, and is seen.
					found.hidden = found.hidden || r.words.quotes
				case lastWide > lastQuote || r.words.mayHave(len(between), between[0], between[len(between)/2], between[len(between)-1]):
					quotedName(r, &found, between)
				}
			}
			if i >= 2 && text[i-1] == '&' && text[i-2]|0x20 == 'u' {
				found.hidden = true // a name in U&"" may be spelled in escapes
			}
			lastQuote = i
		case special:
			switch c := text[i]; {
			case c == ';':
				have.update, have.insert, have.conflict = false, false, false
			case i+1 < len(text) && (c == '-' && text[i+1] == '-' || c == '/' && text[i+1] == '*'):
				have = credit{comment: true}
			}
		}
		i++
	}
	return found
}

// folded copies what fits of a word, its ASCII capitals folded.
func folded[T string | []byte](buf *[maxIdentifier]byte, word T) []byte {
	n := min(len(word), maxIdentifier)
	for i := range n {
		c := word[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		buf[i] = c
	}
	return buf[:n]
}

// plainWord looks at a word of ASCII letters, digits and underscores.
func plainWord[T string | []byte](r *Rewriter, s *scanned, have *credit, word T) {
	var buf [maxIdentifier]byte
	name := folded(&buf, word)
	if len(word) > maxIdentifier {
		s.long(r, name)
		return
	}
	s.name(r, name)
	s.keyword(name, have)
	s.orgWord(r, name)
}

// rareWord looks at the word from start that has a dollar sign or a byte beyond
// ASCII, and gives its end.
func rareWord[T string | []byte](r *Rewriter, s *scanned, have *credit, text T, start int, lastWide *int) (end int) {
	dollars := false
	end = start
	for ; end < len(text) && class[text[end]] <= wide; end++ {
		switch class[text[end]] {
		case dollar:
			dollars = true
		case wide:
			*lastWide = end
		}
	}
	plainWord(r, s, have, text[start:end])
	if !dollars {
		return end
	}
	// It may be a dollar quote's tag and what stands next to it. What is a
	// keyword there has its effects, but is no credit.
	for i := start; i <= end; i++ {
		if i == end || text[i] == '$' {
			plainWord(r, s, &credit{comment: true}, text[start:i])
			leading(s, &credit{comment: true}, text, start)
			start = i + 1
		}
	}
	return end
}

// quotedName looks at what stands between two double quotes: a name may hold any
// character. Every quote is taken for an opening one as well as a closing one, so
// that quotes in literals and comments don't matter.
func quotedName[T string | []byte](r *Rewriter, s *scanned, between T) {
	var buf [maxIdentifier]byte
	name := folded(&buf, between)
	if len(between) > maxIdentifier {
		s.long(r, name)
		return
	}
	s.name(r, name)
	s.catalog = s.catalog || slices.Contains(catalogWords, string(name))
}

// keywords are the words that keyword acts on.
var keywords = []string{
	"create", "alter", "drop", "import", "call", "update", "insert", "merge", "conflict", "set", "into", "do",
	"reset", "set_config", "rollback", "abort", "discard", "prepare", "deallocate", "execute", "pgseal", "raw",
	"declare", "fetch", "move", "close", "pg_attribute", "information_schema", "rename", "sealed",
}

// keyword looks at a word in lower case. Each case is in keywords.
func (s *scanned) keyword(word []byte, have *credit) {
	switch string(word) {
	case "create", "alter", "drop", "import", "call":
		s.effects |= ChangesCatalog
	case "update":
		have.update = !have.comment
	case "insert", "merge":
		have.insert = !have.comment
	case "conflict":
		have.conflict = !have.comment
	case "set":
		if !have.update {
			s.effects |= ChangesSettings
		}
		have.update = false
	case "into": // SELECT INTO makes a table
		if !have.insert {
			s.effects |= ChangesCatalog
		}
		have.insert = false
	case "do":
		if !have.conflict { // a DO block, whose body may do anything
			s.effects |= ChangesCatalog | ChangesSettings
			s.parse = true
		}
		have.conflict = false
	case "reset", "set_config", "rollback", "abort":
		s.effects |= ChangesSettings
	case "pgseal":
		s.pgseal = true
	case "pg_attribute", "information_schema", "rename":
		s.catalog = true
	case "sealed": // the type
		s.catalog = s.catalog || s.pgseal
	case "raw": // raw mode is not for everybody
		s.parse = s.parse || s.pgseal
	case "discard":
		s.effects |= ChangesSettings | NamesStatements | ChangesCatalog // it drops temporary tables
		s.parse = true
	case "prepare", "deallocate":
		s.effects |= NamesStatements
		s.parse = true
	case "declare", "fetch", "move", "close":
		s.cursor = true
	case "execute":
		s.execute = true
		s.effects |= ExecutesStatements
		s.parse = true
	}
}

// name looks up a name, its ASCII capitals folded. The snapshot's names are
// folded beyond ASCII too.
func (s *scanned) name(r *Rewriter, name []byte) {
	if s.sealed {
		return
	}
	for _, c := range name {
		if c >= utf8.RuneSelf {
			s.sealed = r.words.namesSealed(r.snapshot, name)
			return
		}
	}
	s.sealed = r.snapshot.NamesSealed(name)
}

// long looks at the first maxIdentifier bytes of a longer word, which Postgres
// cuts off there or, when that is amid a character, before it.
func (s *scanned) long(r *Rewriter, word []byte) {
	for n := maxIdentifier; n > maxIdentifier-utf8.UTFMax; n-- {
		s.name(r, word[:n])
	}
}
