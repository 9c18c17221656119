package proxy

import (
	"github.com/pgseal/pgseal/internal/copyformat"
	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/rewrite"
)

// copyRun is a COPY with sealed fields under way, in either direction.
type copyRun struct {
	plan    *rewrite.Copy
	options copyformat.Options // text and csv
	values  pgtypes.Format     // of the fields
	env     *pgtypes.Env
	reader  copyReader
}

// copyReader is a *copyformat.Reader or a *copyformat.BinaryReader.
type copyReader interface {
	Feed(chunk []byte)
	End()
	Next() (row copyformat.Row, ok bool, err error)
	Line() int
}

// newCopyRun makes what a COPY needs; a row longer than limit bytes is an error,
// zero means no limit. Of a plan that is doubtful nothing can be read.
func newCopyRun(plan *rewrite.Copy, s *settings, limit int) copyRun {
	c := copyRun{plan: plan, env: s.values}
	if plan.Doubtful {
		return c
	}
	if plan.Format == rewrite.CopyBinary {
		c.values = pgtypes.Binary
		c.reader = copyformat.NewBinaryReader(len(plan.Fields), limit)
		return c
	}
	c.options = copyformat.Options{
		CSV: plan.Format == rewrite.CopyCSV, Delimiter: plan.Delimiter, Quote: plan.Quote, Escape: plan.Escape,
		Null: plan.Null, HasDefault: plan.HasDefault, Default: plan.Default, Server: s.server,
	}
	switch {
	case plan.Header == rewrite.CopyMatchHeader && plan.In:
		c.options.Header = copyformat.SplitHeader
	case plan.Header != rewrite.CopyNoHeader:
		c.options.Header = copyformat.SkipHeader
	}
	if plan.Encoding != "" {
		c.env = s.env(plan.Encoding)
	}
	c.reader = copyformat.NewReader(c.options, limit)
	return c
}

// errDoubtfulCopy is for options that the server took and pgseal does not know.
var errDoubtfulCopy = &pgerr.Error{
	Code:    pgerr.FeatureNotSupported,
	Message: "COPY of sealed columns with these options is not supported",
	Detail:  "pgseal does not know how the server reads or writes data with them.",
	Hint:    "Leave the options away that this version of pgseal does not know.",
	Anchor:  "copy-option",
}

// refuseCopy tells why a COPY of sealed columns cannot be done with the encoding
// that its data is in, nil when it can. The binary format's values are in
// client_encoding whatever ENCODING says.
func (s *settings) refuseCopy(c *rewrite.Copy) *pgerr.Error {
	encoding := s.encodingOf(c)
	// A marker stands in the statement's text, in another encoding than the data.
	if c.Doubtful || pgtypes.IsUTF8(encoding) || pgtypes.Converts(encoding) && ascii(c.Null) && ascii(c.Default) {
		return nil
	}
	return &pgerr.Error{
		Code:    pgerr.FeatureNotSupported,
		Message: "COPY of sealed columns is not supported in this encoding",
		Detail:  "pgseal reads UTF8 and the encodings of one byte a character, in the latter with NULL and DEFAULT in ASCII.",
		Hint:    "SET client_encoding = 'UTF8' first, or give the option ENCODING 'UTF8' and data in it.",
		Anchor:  "cannot-read",
	}
}

func ascii(text string) bool {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}
