package rewrite

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pgseal/pgseal/internal/catalog"
)

// words tells by a word's looks alone, its length and three of its bytes, that the
// scan need not look at it: that it is neither a keyword that matters nor the
// name of something sealed. A look-up in the catalog costs many times as much.
type words struct {
	looks  [maxIdentifier + 1]uint64 // by length: a bit for each hash of the three bytes
	long   bool                      // names are as long as what is left of a name that was cut off
	wide   bool                      // names have bytes beyond ASCII
	quotes bool                      // names have double quotes
}

func newWords(snapshot *catalog.Snapshot, settings []orgSetting) *words {
	w := new(words)
	for name := range snapshot.SealedNames() {
		w.add(name)
		w.quotes = w.quotes || strings.Contains(name, `"`)
	}
	for _, keyword := range keywords {
		w.add(keyword)
	}
	for _, s := range settings {
		w.add(s.first)
		w.add(s.last)
	}
	return w
}

func (w *words) add(word string) {
	// How long a word is in lower case says little of it beyond ASCII: such words
	// are all looked up, and no word of ASCII is equal to one of them.
	for i := range len(word) {
		if word[i] >= utf8.RuneSelf {
			w.wide = true
			return
		}
	}
	if n := len(word); n > 0 && n <= maxIdentifier {
		w.looks[n] |= 1 << look(word[0], word[n/2], word[n-1])
		w.long = w.long || n > maxIdentifier-utf8.UTFMax
	}
}

// mayHave tells whether a word of ASCII of this length (at least 1), and with
// these bytes at its start, middle and end, may be one that matters, in whatever
// case it is written.
func (w *words) mayHave(length int, first, middle, last byte) bool {
	if length > maxIdentifier {
		return w.long
	}
	return w.looks[length]>>look(first, middle, last)&1 != 0
}

// look is a hash from 0 to 63 that takes capitals and small letters as the same.
func look(first, middle, last byte) uint8 {
	return ((first | 0x20) + 11*(middle|0x20) + 5*(last|0x20)) % 64
}

// namesSealed looks up a name with bytes beyond ASCII, as it is and folded as
// strings.ToLower does. It does not allocate.
func (w *words) namesSealed(snapshot *catalog.Snapshot, name []byte) bool {
	if w.wide && snapshot.NamesSealed(name) {
		return true
	}
	var buf [maxIdentifier * utf8.UTFMax]byte
	lower := buf[:0]
	for len(name) > 0 {
		c, size := utf8.DecodeRune(name)
		c = unicode.ToLower(c)
		if c >= utf8.RuneSelf && !w.wide {
			return false // few characters fold into ASCII: the Kelvin sign is one
		}
		lower = utf8.AppendRune(lower, c)
		name = name[size:]
	}
	return snapshot.NamesSealed(lower)
}
