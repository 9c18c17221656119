package demo

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// width is that of the narrowest terminal that is still usual.
const width = 80

// screen prints in 80 columns. The first error of writing is kept.
type screen struct {
	out io.Writer
	err error
}

// line prints one line.
func (s *screen) line(format string, args ...any) {
	if s.err == nil {
		_, s.err = fmt.Fprintln(s.out, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	}
}

// title begins a step.
func (s *screen) title(n int, title string) {
	s.line("")
	s.line("%d. %s", n, title)
	s.line("%s", strings.Repeat("─", width))
}

// sideBySide prints rows of a name and two values, cut to fit.
func (s *screen) sideBySide(left, right string, rows [][3]string) {
	name := 0
	for _, r := range rows {
		name = max(name, utf8.RuneCountInString(r[0]))
	}
	each := (width - name - 6) / 2
	print := func(a, b, c string) {
		s.line("  %s  %s  %s", pad(a, name), pad(b, each), pad(c, each))
	}
	print("", left, right)
	for _, r := range rows {
		print(r[0], r[1], r[2])
	}
}

// wrapped prints a long text in lines that are indented.
func (s *screen) wrapped(indent, text string) {
	current := indent
	for _, word := range strings.Fields(text) {
		if utf8.RuneCountInString(current)+1+utf8.RuneCountInString(word) > width && current != indent {
			s.line("%s", current)
			current = indent
		}
		if current != indent {
			current += " "
		}
		current += word
	}
	s.line("%s", current)
}

// pad makes a text exactly n columns wide, with an ellipsis where it was cut.
func pad(text string, n int) string {
	text = strings.Join(strings.Fields(text), " ")
	if have := utf8.RuneCountInString(text); have <= n {
		return text + strings.Repeat(" ", n-have)
	}
	return string([]rune(text)[:n-1]) + "…"
}
