package pgtypes

import (
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// charset is an encoding of one byte a character, all of ASCII among them.
type charset struct {
	name  string        // as the server reports it
	runes [128]rune     // of the bytes from 128; 0 where there is none
	bytes map[rune]byte // the other way
}

// charmaps are Postgres's encodings of one byte a character by their names
// (encnames.c), as cleaned gives them.
var charmaps = map[string]struct {
	name string
	of   *charmap.Charmap
}{
	"latin1": {"LATIN1", charmap.ISO8859_1}, "latin2": {"LATIN2", charmap.ISO8859_2}, "latin3": {"LATIN3", charmap.ISO8859_3},
	"latin4": {"LATIN4", charmap.ISO8859_4}, "latin5": {"LATIN5", charmap.ISO8859_9}, "latin6": {"LATIN6", charmap.ISO8859_10},
	"latin7": {"LATIN7", charmap.ISO8859_13}, "latin8": {"LATIN8", charmap.ISO8859_14}, "latin9": {"LATIN9", charmap.ISO8859_15},
	"latin10":  {"LATIN10", charmap.ISO8859_16},
	"iso88595": {"ISO_8859_5", charmap.ISO8859_5}, "iso88596": {"ISO_8859_6", charmap.ISO8859_6},
	"iso88597": {"ISO_8859_7", charmap.ISO8859_7}, "iso88598": {"ISO_8859_8", charmap.ISO8859_8},
	"win1250": {"WIN1250", charmap.Windows1250}, "win1251": {"WIN1251", charmap.Windows1251}, "win1252": {"WIN1252", charmap.Windows1252},
	"win1253": {"WIN1253", charmap.Windows1253}, "win1254": {"WIN1254", charmap.Windows1254}, "win1255": {"WIN1255", charmap.Windows1255},
	"win1256": {"WIN1256", charmap.Windows1256}, "win1257": {"WIN1257", charmap.Windows1257}, "win1258": {"WIN1258", charmap.Windows1258},
	"win866": {"WIN866", charmap.CodePage866}, "win874": {"WIN874", charmap.Windows874},
	"koi8r": {"KOI8R", charmap.KOI8R}, "koi8u": {"KOI8U", charmap.KOI8U},
}

// charsetAliases are other names that Postgres knows some of them by.
var charsetAliases = map[string]string{
	"iso88591": "latin1", "iso88592": "latin2", "iso88593": "latin3", "iso88594": "latin4", "iso88599": "latin5", "iso885910": "latin6",
	"iso885913": "latin7", "iso885914": "latin8", "iso885915": "latin9", "iso885916": "latin10", "koi8": "koi8r", "win": "win1251", "alt": "win866",
}

// ownRunes are where Postgres's tables have other characters than the web's, or
// none (0).
var ownRunes = map[string]map[byte]rune{
	"WIN1255": {0xca: 0},
	"KOI8U":   {0xae: '╝', 0xbe: '╬'},
}

// charsets are those that were asked for, by their names in charmaps.
var charsets sync.Map // string -> *charset

// charsetOf finds an encoding by one of its names, nil when it is none of one byte
// a character.
func charsetOf(encoding string) *charset {
	name := CleanEncoding(encoding)
	if strings.HasPrefix(name, "windows") {
		name = "win" + strings.TrimPrefix(name, "windows")
	}
	if alias, ok := charsetAliases[name]; ok {
		name = alias
	}
	m, ok := charmaps[name]
	if !ok {
		return nil
	}
	if known, ok := charsets.Load(name); ok {
		return known.(*charset)
	}
	c := &charset{name: m.name, bytes: make(map[rune]byte, 128)}
	for i := range c.runes {
		r := m.of.DecodeByte(byte(128 + i))
		if iso := !strings.HasPrefix(m.name, "WIN") && !strings.HasPrefix(m.name, "KOI8"); iso && i < 32 {
			r = rune(128 + i) // a control character
		} else if r == utf8.RuneError || !iso && r < 0xa0 { // nothing there, but for browsers
			continue
		}
		if own, differs := ownRunes[m.name][byte(128+i)]; differs {
			if r = own; r == 0 {
				continue
			}
		}
		c.runes[i] = r
		c.bytes[r] = byte(128 + i)
	}
	charsets.Store(name, c)
	return c
}

// CleanEncoding gives the name by which an encoding is known, however it is spelled
// (clean_encoding_name).
func CleanEncoding(encoding string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 'A' && c <= 'Z':
			return c + 'a' - 'A'
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			return c
		}
		return -1
	}, encoding)
}

// decode gives text in UTF-8 (pg_any_to_server).
func (c *charset) decode(text []byte) ([]byte, error) {
	out := make([]byte, 0, len(text)+len(text)/2)
	for _, b := range text {
		switch {
		case b < utf8.RuneSelf:
			out = append(out, b)
		case c.runes[b-128] == 0:
			return nil, untranslatable([]byte{b}, c.name, "UTF8")
		default:
			out = utf8.AppendRune(out, c.runes[b-128])
		}
	}
	return out, nil
}

// appendEncoded appends UTF-8 text in the encoding (pg_server_to_any).
func (c *charset) appendEncoded(dst, text []byte) ([]byte, error) {
	at := len(dst)
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		b, ok := c.bytes[r]
		switch {
		case n == 1 && r < utf8.RuneSelf:
			dst = append(dst, text[i])
		case !ok:
			return dst[:at], untranslatable(text[i:i+n], "UTF8", c.name)
		default:
			dst = append(dst, b)
		}
		i += n
	}
	return dst, nil
}

// untranslatable is report_untranslatable_char.
func untranslatable(character []byte, from, to string) error {
	return &pgerr.Error{
		Code:    pgerr.UntranslatableCharacter,
		Message: fmt.Sprintf("character with byte sequence%s in encoding %q has no equivalent in encoding %q", hexList(character), from, to),
		Echoes:  true,
	}
}

// hexList writes bytes as Postgres does: " 0xe6 0x97".
func hexList(bytes []byte) string {
	var list strings.Builder
	for _, b := range bytes {
		fmt.Fprintf(&list, " 0x%02x", b)
	}
	return list.String()
}
