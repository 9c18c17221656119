// Package copyformat reads and writes the lines of COPY in its text and csv
// formats, and the rows of its binary format
// (https://www.postgresql.org/docs/current/sql-copy.html), as
// src/backend/commands/copyfromparse.c and copyto.c do.
//
// Data comes in chunks that may be cut anywhere; a Reader or BinaryReader holds
// one line or row at a time, up to a limit. The package knows nothing of columns: whether a line has
// too few fields, or a header the right names, is the caller's to say; only
// the number of a binary row's fields is told to it. It does no I/O, and does not
// do FORCE_* options, or client encodings whose characters may hold ASCII bytes (SJIS, BIG5, GBK, …).
//
// Files: reader.go takes chunks and finds lines, lines.go knows where a line
// ends, fields.go takes lines apart, write.go writes them. binary.go has
// all of the binary format.
package copyformat

// Options are COPY's options. Delimiter, and with CSV Quote and Escape, must be
// set; nothing is defaulted.
type Options struct {
	CSV                      bool
	Delimiter, Quote, Escape byte
	Null                     string // the text that stands for NULL
	Header                   bool   // the first line is a header
}

// Field is a field of a line.
type Field struct {
	// Data is the field's text without quotes and escapes. It aliases the
	// Reader's memory and holds until the next call of Feed or Next.
	Data []byte
	Null bool
}

// Row is a line of COPY, or a row of the binary format.
type Row struct {
	Fields []Field // nil for a header; reused by the next call of Next

	// Header: this is the header line, or the binary format's trailer, and no
	// row; Raw is to be passed on as it is.
	Header bool
	// Raw is a header line as it came, but ended by a newline as the lines are
	// that AppendRow writes: Postgres refuses data with mixed line ends. In the
	// binary format it is what comes before the row; see BinaryReader. Nil for
	// other lines. It holds as long as Field.Data does.
	Raw []byte
}
