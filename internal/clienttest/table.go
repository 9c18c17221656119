package clienttest

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// Feature is what clients' programs play, and a row of the table.
type Feature = struct{ Name, What string }

// Table is a page of docs: which features passed with which client. It is made by
// the tests with -update, else compared with what they saw. The versions in it are
// of the machine that made it.
type Table struct {
	File    string // from the test's folder
	Command string // that writes it
	Head    string // Markdown above the table
	Clients []string
	// Told are the first rows, which are not compared: what they say is of the
	// machine that wrote the table.
	Told     []string
	Features []Feature
	Ways     []string // rows below the features
	Notes    []string // [^1] …
	Tail     string   // Markdown at the end
}

// Cells are a table's cells by row, then client.
type Cells map[string]map[string]string

// Check compares the file with what was seen, or writes it. Of a client that is not
// in seen (by client, then row), because it is not here or was left out, the file
// keeps what it has.
func (d *Table) Check(t *testing.T, seen map[string]map[string]string, update bool) {
	t.Helper()
	old, err := os.ReadFile(d.File)
	if err != nil && !update {
		t.Fatal(err)
	}
	cells := readCells(old)
	for _, client := range d.Clients {
		for row, cell := range seen[client] {
			was := cells[row][client]
			if cell != was && !update && !slices.Contains(d.Told, row) {
				t.Errorf("%s: %s, %s: %q, but it is %q: run %s", d.File, client, row, was, cell, d.Command)
			}
			if cells[row] == nil {
				cells[row] = map[string]string{}
			}
			cells[row][client] = cell
		}
	}
	if !update {
		if want := d.write(readCells(old)); !bytes.Equal(want, old) {
			t.Errorf("%s is not as the tests write it: run %s", d.File, d.Command)
		}
		return
	}
	if err := os.WriteFile(d.File, d.write(cells), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readCells(text []byte) Cells {
	cells := Cells{}
	var names []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimSpace(line), "|")
		if len(fields) < 3 || fields[0] != "" {
			continue
		}
		fields = fields[1 : len(fields)-1]
		for i := range fields {
			fields[i] = strings.TrimSpace(fields[i])
		}
		switch {
		case names == nil:
			names = fields
		case len(fields) == len(names) && !strings.HasPrefix(fields[0], "-"):
			row := map[string]string{}
			for i, cell := range fields[1:] {
				row[names[i+1]] = cell
			}
			cells[fields[0]] = row
		}
	}
	return cells
}

func (d *Table) write(cells Cells) []byte {
	var b bytes.Buffer
	b.WriteString(d.Head)
	line := func(first string, cell func(client string) string) {
		b.WriteString("| " + first + " |")
		for _, c := range d.Clients {
			b.WriteString(" " + cell(c) + " |")
		}
		b.WriteString("\n")
	}
	line("", func(client string) string { return client })
	b.WriteString("|---" + strings.Repeat("|---", len(d.Clients)) + "|\n")
	for _, row := range d.rows() {
		line(row, func(client string) string { return cells[row][client] })
	}
	b.WriteString("\n## The features\n\n| feature | what is played |\n|---|---|\n")
	for _, f := range d.Features {
		fmt.Fprintf(&b, "| %s | %s |\n", f.Name, f.What)
	}
	for i, note := range d.Notes {
		fmt.Fprintf(&b, "\n[^%d]: %s\n", i+1, note)
	}
	b.WriteString(d.Tail)
	return b.Bytes()
}

// rows are the table's rows, in order.
func (d *Table) rows() []string {
	list := append([]string{}, d.Told...)
	for _, f := range d.Features {
		list = append(list, f.Name)
	}
	return append(list, d.Ways...)
}
