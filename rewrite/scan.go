package rewrite

import "bytes"

// maxIdentifier is the longest name in bytes that Postgres keeps; it cuts longer
// ones off (NAMEDATALEN - 1, truncate_identifier in scansup.c).
const maxIdentifier = 63

// scanned is what one pass over a text's bytes tells.
type scanned struct {
	sealed  bool // it may name a relation that carries sealed columns
	hidden  bool // it has names that only the parser can read
	parse   bool // it must be parsed for other reasons
	effects Effects
}

// Scan tells from the bytes alone whether a text has to be planned, and what it
// may change. It looks at every word, within string literals, quoted names and
// comments too, so it errs on the side of yes. It does not allocate.
func (r *Rewriter) Scan(text []byte) (mustParse bool, effects Effects) {
	s := scan(r, text)
	return s.sealed || s.hidden || s.parse, s.effects
}

// Classes of bytes, after ident_start and ident_cont of Postgres's scan.l.
const (
	other byte = iota
	wordStart
	special // a byte that the scan acts on
)

// class is the class of each byte; lower the byte itself, its ASCII capital
// folded, or zero when it can't be in a word.
var class, lower = func() (class, lower [256]byte) {
	for c := range 256 {
		switch {
		case c >= 'A' && c <= 'Z':
			class[c], lower[c] = wordStart, byte(c)+'a'-'A'
		case c >= 'a' && c <= 'z', c == '_', c >= 0x80:
			class[c], lower[c] = wordStart, byte(c)
		case c >= '0' && c <= '9', c == '$':
			lower[c] = byte(c)
		case c == '"', c == ';', c == '/', c == '-':
			class[c] = special
		}
	}
	return class, lower
}()

// credit counts the words that make a later word harmless: the SET of an UPDATE
// changes no setting, the INTO of an INSERT makes no table. Comments could hold
// such words, so there is no credit once one was seen; a semicolon takes it away.
type credit struct {
	update, insert, conflict bool
	comment                  bool
}

func scan[T string | []byte](r *Rewriter, text T) scanned {
	var found scanned
	var have credit
	var buf [maxIdentifier]byte
	for i := 0; i < len(text); {
		c := text[i]
		switch class[c] {
		case wordStart:
			start := i
			n := 0
			dollar := false
			for i < len(text) {
				c := lower[text[i]]
				if c == 0 {
					break
				}
				if n < len(buf) {
					buf[n] = c
					n++
				}
				dollar = dollar || c == '$'
				i++
			}
			found.word(r, buf[:n], &have)
			if dollar {
				found.parts(r, buf[:n])
			}
			if i-start > maxIdentifier {
				found.long(r, buf[:])
			}
			if n == 1 && buf[0] == 'u' && i+1 < len(text) && text[i] == '&' && text[i+1] == '"' {
				found.hidden = true // a name in U&"" may be spelled in escapes
			}
			continue
		case special:
			switch {
			case c == ';':
				have.update, have.insert, have.conflict = false, false, false
			case c == '"':
				quoted(r, &found, text[i+1:])
			case i+1 < len(text) && (c == '-' && text[i+1] == '-' || c == '/' && text[i+1] == '*'):
				have = credit{comment: true}
			}
		}
		i++
	}
	return found
}

// word looks at a word in lower case.
func (s *scanned) word(r *Rewriter, word []byte, have *credit) {
	s.name(r, word)
	if len(word) < 2 || len(word) > 10 {
		return
	}
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
	case "discard":
		s.effects |= ChangesSettings | NamesStatements | ChangesCatalog // it drops temporary tables
		s.parse = true
	case "prepare", "deallocate":
		s.effects |= NamesStatements
		s.parse = true
	case "execute":
		s.effects |= ExecutesStatements
		s.parse = true
	}
}

// parts looks at a word with dollar signs, which may be a dollar quote's tag and
// what follows it.
func (s *scanned) parts(r *Rewriter, word []byte) {
	start := 0
	for i := range word {
		if word[i] == '$' {
			s.name(r, word[start:i])
			start = i + 1
		}
	}
	s.name(r, word[start:])
}

// name looks up a name, its ASCII capitals folded. The snapshot's names are
// folded beyond ASCII too.
func (s *scanned) name(r *Rewriter, name []byte) {
	if r.snapshot.NamesSealed(name) {
		s.sealed = true
		return
	}
	for _, c := range name {
		if c >= 0x80 {
			s.sealed = s.sealed || r.snapshot.NamesSealed(bytes.ToLower(name))
			return
		}
	}
}

// long looks at a word that Postgres cuts off, at a character's boundary.
func (s *scanned) long(r *Rewriter, word []byte) {
	for n := maxIdentifier; n > maxIdentifier-4; n-- {
		s.name(r, word[:n])
	}
}

// quoted looks at what follows a double quote, up to the next one: a name may
// hold any character. Each quote is taken for an opening one, so that quotes in
// literals and comments don't matter. A doubled quote may be part of a name.
func quoted[T string | []byte](r *Rewriter, s *scanned, text T) {
	var buf [maxIdentifier]byte
	n := 0
	for ; n < len(text) && text[n] != '"'; n++ {
		if n < len(buf) {
			buf[n] = fold(text[n])
		}
	}
	switch {
	case n == len(text):
	case n == 0:
		s.parse = true
	case n > len(buf):
		s.long(r, buf[:])
	default:
		s.name(r, buf[:n])
	}
}

func fold(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
