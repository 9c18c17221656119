// Package copyformat reads and writes the lines of COPY in its text and csv
// formats, and the rows of its binary format
// (https://www.postgresql.org/docs/current/sql-copy.html), as
// src/backend/commands/copyfromparse.c and copyto.c do.
//
// Data comes in chunks that may be cut anywhere; a Reader or BinaryReader holds
// one line or row at a time, up to a limit. A field comes with what it was written
// as, so that one which is not changed goes on byte for byte. The package knows
// nothing of columns: whether a line has too few fields, or a header the right
// names, is the caller's to say; only the number of a binary row's fields is told
// to it. It does no I/O, and does not do client encodings whose characters may
// hold ASCII bytes (SJIS, BIG5, GBK, …).
//
// Files: chunks.go keeps what was fed, reader.go finds lines in it, lines.go knows
// where a line ends, fields.go takes lines apart, write.go writes fields.
// binary.go has all of the binary format.
package copyformat

// Options are COPY's options. Delimiter, and with CSV Quote and Escape, must be
// set; nothing is defaulted.
type Options struct {
	CSV                      bool
	Delimiter, Quote, Escape byte
	Null                     string // the text that stands for NULL
	HasDefault               bool   // COPY FROM's DEFAULT is given
	Default                  string // the text that stands for the column's default
	Header                   Header
	// Server is the server's major version, which some rules depend on; zero
	// stands for the newest one.
	Server int
}

// Header is COPY's HEADER.
type Header uint8

const (
	NoHeader    Header = iota
	SkipHeader         // the first line is no row
	SplitHeader        // and its fields matter (HEADER MATCH)
)

// markerInCSV tells whether \. alone on a line ends data in csv, as it does for
// servers before version 18.
func (o *Options) markerInCSV() bool { return o.Server > 0 && o.Server < 18 }

// Field is a field of a line.
type Field struct {
	// Data is the field's text without quotes and escapes, Raw what it was
	// written as. They alias the memory of the chunk that was fed, or the
	// Reader's, and hold until the next call of Feed or Next.
	Data, Raw []byte
	Null      bool
	Default   bool // the column's default is meant
}

// Forced gives the field with FORCE_NOT_NULL or FORCE_NULL applied
// (NextCopyFrom).
func (f Field) Forced(o *Options, notNull, null bool) Field {
	switch {
	case f.Null && notNull:
		f.Null, f.Data = false, []byte(o.Null)
	case !f.Null && null && string(f.Data) == o.Null:
		f.Null = true
	}
	return f
}

// Row is a line of COPY, or a row of the binary format.
type Row struct {
	Fields []Field // nil for a header that is skipped; reused by the next call of Next

	// Header: this is the header line, or the binary format's trailer, and no
	// row.
	Header bool
	// Raw is a header line as it came, without its end. In the binary format it
	// is what comes before the row; see BinaryReader. Nil for other lines. It
	// holds as long as a Field's Data does.
	Raw []byte
	// End is the line's end as it came: empty for a last line without one.
	End []byte
}
