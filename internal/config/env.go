package config

import (
	"errors"
	"fmt"
	"strings"
)

// expand replaces each ${NAME} in s by what lookup gives for NAME. $${ stands
// for ${ itself. No error quotes s, which is a secret, nor a variable's value.
func expand(s string, lookup func(string) (string, bool)) (string, error) {
	var b strings.Builder
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			b.WriteString(s)
			return b.String(), nil
		}
		if i > 0 && s[i-1] == '$' {
			b.WriteString(s[:i-1])
			b.WriteString("${")
			s = s[i+2:]
			continue
		}
		b.WriteString(s[:i])
		name, rest, closed := strings.Cut(s[i+2:], "}")
		if !closed || !isVariable(name) {
			return "", errors.New("a ${ is not followed by an environment variable's name and a }; write $${ for the characters themselves")
		}
		value, set := lookup(name)
		if !set {
			return "", fmt.Errorf("the environment variable %s is not set: set it where pgseal is started", name)
		}
		if value == "" {
			return "", fmt.Errorf("the environment variable %s is empty: give it the value where pgseal is started", name)
		}
		b.WriteString(value)
		s = rest
	}
}

func isVariable(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
