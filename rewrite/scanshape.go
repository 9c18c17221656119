package rewrite

import "bytes"

// ScanShape is Scan of the text that shape was read from without the words in its
// values. Clients write whatever they have into those: mails, programs, SQL. ok is
// false where such words may be for somebody to act on: as an argument of a function,
// or in a statement that does more than to read or write rows. Scan's answer holds
// then.
func (r *Rewriter) ScanShape(shape *Shape) (mustParse, ok bool) {
	key := shape.key
	for i := 0; i < len(key); i++ {
		if key[i] == '(' && !opensNoCall(key[:i]) {
			return false, false
		}
	}
	mustParse, effects := r.Scan(key)
	return mustParse, effects == 0
}

// opensNoCall tells whether a parenthesis behind these bytes opens something else than
// a function's arguments.
func opensNoCall(before []byte) bool {
	before = trimSpace(before)
	word := lastWord(before)
	if len(word) == 0 {
		return len(before) == 0 || before[len(before)-1] != '"' || behindInto(before)
	}
	var buf [maxIdentifier]byte
	return beforeParentheses[string(folded(&buf, word))] || behindInto(before)
}

// behindInto tells whether the bytes end with INTO and a table's name, which has its
// columns in parentheses behind it.
func behindInto(before []byte) bool {
	for {
		if n := len(before); n > 0 && before[n-1] == '"' {
			begin := bytes.LastIndexByte(before[:n-1], '"')
			if begin < 0 {
				return false
			}
			before = before[:begin]
		} else {
			before = before[:n-len(lastWord(before))]
		}
		if n := len(before); n == 0 || before[n-1] != '.' {
			break
		}
		before = before[:len(before)-1]
	}
	var buf [maxIdentifier]byte
	trimmed := trimSpace(before)
	return len(trimmed) < len(before) && string(folded(&buf, lastWord(trimmed))) == "into"
}

func trimSpace(b []byte) []byte {
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// lastWord is the word that the bytes end with, empty where they end otherwise.
func lastWord(b []byte) []byte {
	start := len(b)
	for start > 0 && class[b[start-1]] <= wide {
		start--
	}
	return b[start:]
}

// beforeParentheses are words that parentheses stand behind which no function has
// arguments in.
var beforeParentheses = func() map[string]bool {
	words := map[string]bool{}
	for _, w := range []string{
		"values", "in", "and", "or", "not", "on", "where", "having", "set", "as", "select", "distinct", "from", "join", "using", "conflict", "returning",
		"exists", "any", "all", "some", "when", "then", "else", "case", "by", "limit", "offset", "union", "except", "intersect", "between", "like", "ilike",
		"varchar", "varying", "char", "character", "bpchar", "numeric", "decimal", "timestamp", "timestamptz", "time", "timetz", "interval", "bit", "float",
	} {
		words[w] = true
	}
	return words
}()
