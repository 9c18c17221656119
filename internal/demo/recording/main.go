// Command recording turns what `pgseal demo --check` prints into the picture of
// the README:
//
//	go run ./cmd/pgseal demo --check | go run ./internal/demo/recording > docs/demo.svg
package main

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"os"
	"strings"
)

// The picture's measures, in pixels: of a character, a line and the margin.
const (
	charWidth  = 8.4
	lineHeight = 18
	margin     = 16
	columns    = 80
)

func main() {
	if err := draw(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "recording:", err)
		os.Exit(1)
	}
}

// draw reads a terminal's lines and writes them as an SVG.
func draw(r io.Reader, w io.Writer) error {
	lines := []string{"$ go run ./cmd/pgseal demo"}
	scanner := bufio.NewScanner(r)
	for scanner.Scan() {
		lines = append(lines, scanner.Text())
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("read the terminal's lines: %w", err)
	}
	out := bufio.NewWriter(w)
	width, height := int(columns*charWidth)+2*margin, len(lines)*lineHeight+2*margin
	_, _ = fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-label="What pgseal demo prints">`+"\n", width, height, width, height)
	_, _ = fmt.Fprintf(out, `<rect width="100%%" height="100%%" rx="8" fill="#14181f"/>`+"\n")
	_, _ = fmt.Fprintln(out, `<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="14" xml:space="preserve">`)
	for i, line := range lines {
		if line == "" {
			continue
		}
		length := float64(len([]rune(line))) * charWidth
		_, _ = fmt.Fprintf(out, `<text x="%d" y="%d" fill="%s" textLength="%.1f" lengthAdjust="spacingAndGlyphs">%s</text>`+"\n",
			margin, margin+(i+1)*lineHeight-4, color(line), length, html.EscapeString(line))
	}
	_, _ = fmt.Fprintln(out, "</g>\n</svg>")
	return out.Flush() // it keeps the first error
}

// color tells titles, rules, errors and the rest apart.
func color(line string) string {
	switch {
	case strings.HasPrefix(line, "$"):
		return "#7ee787"
	case strings.HasPrefix(line, "─"):
		return "#3b4453"
	case len(line) > 2 && line[1] == '.' && line[2] == ' ':
		return "#79c0ff"
	case strings.Contains(line, "ERROR"), strings.Contains(line, "PS001"):
		return "#ffa198"
	}
	return "#d6dde6"
}
