package policy

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxIdentifier is the longest name in bytes that Postgres keeps (NAMEDATALEN - 1);
// it cuts longer ones off, so that they would stand for something else.
const maxIdentifier = 63

// parseTableName reads a table's name as SQL writes it: spans, public.spans,
// audit."Call Log". Without a schema it is in public.
func parseTableName(s string) (schema, name string, err error) {
	first, rest, err := cutIdentifier(s)
	if err != nil {
		return "", "", err
	}
	if rest == "" {
		return "public", first, nil
	}
	if rest[0] != '.' {
		return "", "", fmt.Errorf("%q is not a name: a dot is expected before %q", s, rest)
	}
	second, rest, err := cutIdentifier(rest[1:])
	if err != nil {
		return "", "", err
	}
	if rest != "" {
		return "", "", fmt.Errorf("%q is not schema.table: nothing may follow the table's name", s)
	}
	return first, second, nil
}

// parseColumnName reads a column's name as SQL writes it: note, "Note".
func parseColumnName(s string) (string, error) {
	name, rest, err := cutIdentifier(s)
	if err != nil {
		return "", err
	}
	if rest != "" {
		return "", fmt.Errorf("%q is not a column's name: write it without the table, in double quotes if it has special characters", s)
	}
	return name, nil
}

// cutIdentifier reads the identifier that s begins with. Postgres would fold an
// unquoted one to lower case; one with capitals is refused instead, since YAML
// takes the double quotes off that the author may have meant for Postgres.
func cutIdentifier(s string) (name, rest string, err error) {
	if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return "", "", fmt.Errorf("%q is not a name: it must be UTF-8 without NUL", s)
	}
	if strings.HasPrefix(s, `"`) {
		name, rest, err = cutQuoted(s)
	} else {
		end := 0
		for end < len(s) && isIdentifierByte(s[end], end) {
			end++
		}
		name, rest = s[:end], s[end:]
		switch lower := strings.ToLower(name); {
		case name == "":
			err = fmt.Errorf("%q is not a name: one begins with a letter or an underscore, or stands in double quotes", s)
		case lower != name:
			err = fmt.Errorf("%q has capitals, which Postgres reads as %s: write it so, or as '%s' for a name that really has them", name, lower, `"`+name+`"`)
		}
	}
	if err == nil && len(name) > maxIdentifier {
		err = fmt.Errorf("%q is longer than the %d bytes that Postgres keeps of a name", name, maxIdentifier)
	}
	return name, rest, err
}

// cutQuoted reads an identifier in double quotes; a doubled quote stands for one.
func cutQuoted(s string) (name, rest string, err error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '"' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '"' {
			b.WriteByte('"')
			i++
			continue
		}
		if b.Len() == 0 {
			return "", "", errors.New(`"" is not a name: it is empty`)
		}
		return b.String(), s[i+1:], nil
	}
	return "", "", fmt.Errorf("%s is not a name: the double quote is not closed", s)
}

// isIdentifierByte follows ident_start and ident_cont of Postgres's scan.l.
func isIdentifierByte(c byte, at int) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c >= 0x80:
		return true
	case c >= '0' && c <= '9', c == '$':
		return at > 0
	}
	return false
}

// checkSetting tells whether s can be the name of a setting that sessions
// define themselves: two or more words with dots between them
// (valid_custom_variable_name in guc.c).
func checkSetting(s string) error {
	words := strings.Split(s, ".")
	for _, word := range words {
		ok := word != ""
		for i := range len(word) {
			ok = ok && word[i] < 0x80 && isIdentifierByte(word[i], i)
		}
		if !ok {
			return fmt.Errorf("%q is not the name of a setting: write words of letters and digits with a dot between them, such as pgseal.org", s)
		}
	}
	if len(words) < 2 {
		return fmt.Errorf("%q is not a setting that a session can make up: it needs a prefix and a dot, such as pgseal.org", s)
	}
	return nil
}
