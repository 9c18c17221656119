package sqlcorpus

import "strings"

// LogPrefix is the log_line_prefix with which a server's log is to be read.
const LogPrefix = "%d|"

// playing begins a statement by which a program says what it is at.
const playing = "SELECT 'playing: "

// ReadLog reads from the log of a server, with LogPrefix and log_statement=all, the
// statements that came to a database.
func ReadLog(log, database string) []Statement {
	var all []Statement
	at, open := "", false // open: the line before was of a statement
	for line := range strings.Lines(log) {
		line = strings.TrimSuffix(line, "\n")
		if more, ok := strings.CutPrefix(line, "\t"); ok { // so the further lines of a text are indented
			if open {
				all[len(all)-1].Text += "\n" + more
			}
			continue
		}
		open = false
		of, message, _ := strings.Cut(line, "|LOG:  ")
		if of != database {
			continue
		}
		st := Statement{}
		if text, ok := strings.CutPrefix(message, "statement: "); ok {
			st.Text = text
		} else if _, text, ok := strings.Cut(message, ": "); ok && strings.HasPrefix(message, "execute ") {
			st.Text, st.Extended = text, true
		} else {
			continue
		}
		if name, ok := strings.CutPrefix(st.Text, playing); ok {
			at, _, _ = strings.Cut(name, "'")
			continue
		}
		st.At = at
		all, open = append(all, st), true
	}
	return all
}
