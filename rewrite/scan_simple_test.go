package rewrite

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pgseal/pgseal/internal/catalog"
)

// simpleScan is what Scan does, written without regard to speed: every word and
// every quoted text is looked up.
func simpleScan(snapshot *catalog.Snapshot, text string) (mustParse bool, effects Effects) {
	var s scanned
	var have credit
	quotes := false
	for name := range snapshot.SealedNames() {
		quotes = quotes || strings.Contains(name, `"`)
	}
	name := func(name string) {
		for n := min(len(name), maxIdentifier); n > 0; n-- {
			if snapshot.NamesSealed([]byte(foldASCII(name[:n]))) || snapshot.NamesSealed([]byte(strings.ToLower(name[:n]))) {
				s.sealed = true
			}
			if len(name) <= maxIdentifier || n == maxIdentifier-utf8.UTFMax+1 {
				break
			}
		}
	}
	inWord := func(c byte) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '$' || c >= 0x80
	}
	for i := 0; i < len(text); i++ {
		rest := text[i:]
		switch c := text[i]; {
		case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "/*"):
			have = credit{comment: true}
		case c == ';':
			have = credit{comment: have.comment}
		case c == '"':
			s.hidden = s.hidden || strings.HasSuffix(strings.ToLower(text[:i]), "u&")
			if between, _, closed := strings.Cut(rest[1:], `"`); closed && between == "" {
				s.hidden = s.hidden || quotes
			} else if closed {
				name(between)
				s.catalog = s.catalog || slices.Contains(catalogWords, foldASCII(between))
			}
		case inWord(c) && c != '$' && (c < '0' || c > '9'):
			n := 1
			for n < len(rest) && inWord(rest[n]) {
				n++
			}
			name(rest[:n])
			s.keyword([]byte(foldASCII(rest[:n])), &have)
			before := strings.TrimRight(text[:i], " \t\n\v\f\r")
			if s.cursor && (have.comment || before == "" || strings.HasSuffix(before, ";")) {
				s.effects |= UsesCursors
			}
			s.cursor = false
			if parts := strings.Split(rest[:n], "$"); len(parts) > 1 {
				for _, part := range parts {
					name(part)
					s.keyword([]byte(foldASCII(part)), &credit{comment: true})
					if s.cursor {
						s.effects |= UsesCursors
					}
					s.cursor = false
				}
			}
			i += n - 1
		}
	}
	return s.sealed || s.hidden || s.parse || s.catalog, s.effects
}

func foldASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// scanSnapshots are catalogs whose names are of each kind that the scan treats
// in a way of its own.
func scanSnapshots() []*catalog.Snapshot {
	return []*catalog.Snapshot{
		fixture(), snapshotOf(`a"b`), snapshotOf("Äpfel"), snapshotOf("kiln"), snapshotOf("my kiln"), snapshotOf("Ä Log"), snapshotOf("x"), snapshotOf("set"),
		snapshotOf(strings.Repeat("n", 60)), snapshotOf(strings.Repeat("n", 61) + "é"), snapshotOf(strings.Repeat("n", maxIdentifier)),
	}
}

// randomText is a text of what may make a scan go astray.
func randomText(random *rand.Rand, names []string) string {
	pick := func(of []string) string { return of[random.IntN(len(of))] }
	var b strings.Builder
	for range 1 + random.IntN(12) {
		switch piece := pick(names); random.IntN(12) {
		case 0, 1:
			b.WriteString(piece)
		case 2:
			b.WriteString(strings.ToUpper(piece))
		case 3: // nearly it
			at := random.IntN(len(piece))
			b.WriteString(piece[:at] + string(rune('a'+random.IntN(26))) + piece[at+random.IntN(2):])
		case 4:
			b.WriteString(`"` + strings.ReplaceAll(piece, `"`, `""`) + `"`)
		case 5, 6:
			b.WriteString(pick(keywords))
		case 7:
			b.WriteString(strings.ToUpper(pick(keywords)))
		case 8:
			b.WriteByte(byte(random.IntN(256)))
		default:
			b.WriteString(pick([]string{" ", " ", " ", `"`, `""`, `u&"`, `U&"`, "'", ";", "--", "/*", "-", "/", "$", "$$", "1", "_", ".", "é", "\u212a", "İ", "ß", "東", "\xff"}))
		}
		if random.IntN(2) == 0 {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

func TestScanIsTheSimpleScan(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, snapshot := range scanSnapshots() {
		r := New(snapshot, Limits{})
		names := slices.Sorted(snapshot.SealedNames())
		names = append(names, "\u212aiLN", "My \u212aiLn", "Ä LOG", "users", strings.Repeat("n", 70), strings.Repeat("n", 61))
		parsed := 0
		const texts = 10000
		for range texts {
			text := randomText(random, names)
			parse, effects := r.Scan([]byte(text))
			wantParse, wantEffects := simpleScan(snapshot, text)
			if parse != wantParse || effects != wantEffects {
				t.Fatalf("%q: %v, %04b; want %v, %04b (names %q)", text, parse, effects, wantParse, wantEffects, names)
			}
			if parse {
				parsed++
			}
		}
		if parsed < texts/20 || parsed > texts*19/20 {
			t.Errorf("%d of %d texts are to be parsed: too one-sided a test (names %q)", parsed, texts, names)
		}
	}
}

func FuzzScan(f *testing.F) {
	if len(scanTests) < 50 {
		f.Fatal("too few seeds")
	}
	for _, test := range scanTests {
		f.Add(test.text)
	}
	snapshots := scanSnapshots()
	var rewriters []*Rewriter
	for _, snapshot := range snapshots {
		rewriters = append(rewriters, New(snapshot, Limits{}))
	}
	f.Fuzz(func(t *testing.T, text string) {
		for i, r := range rewriters {
			parse, effects := r.Scan([]byte(text))
			wantParse, wantEffects := simpleScan(snapshots[i], text)
			if parse != wantParse || effects != wantEffects {
				t.Fatalf("snapshot %d: %v, %04b; want %v, %04b", i, parse, effects, wantParse, wantEffects)
			}
		}
	})
}
