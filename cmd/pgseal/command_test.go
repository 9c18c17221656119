package main

import "testing"

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"a":                                      "a",
		"a\nb\n":                                 "a b",
		"to db:\n\th:1: refused\n\th:1: refused": "to db: h:1: refused",
		"to db:\n\th:1: refused\n\th:1: refused: do this": "to db: h:1: refused: do this",
	} {
		if got := oneLine(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
