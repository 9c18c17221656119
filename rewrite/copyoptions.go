package rewrite

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/pgtypes"
)

// copyOptions reads a COPY's options (ProcessCopyOptions). What it cannot read,
// the server is to refuse in its own words: that comes before any data. Should the
// server, of another version, accept it, then pgseal does not (Copy.Doubtful).
func (r *resolver) copyOptions(s *pg.CopyStmt, c *Copy) {
	c.Delimiter, c.Null = '\t', `\N`
	given := map[string]*pg.DefElem{}
	for _, n := range s.Options {
		o := n.GetDefElem()
		name := strings.ToLower(o.GetDefname())
		if given[name] != nil || !knownCopyOption[name] {
			c.Doubtful = true
		}
		given[name] = o
	}
	text := func(name string) (value string, ok bool) {
		if given[name] == nil {
			return "", false
		}
		value, fits := optionText(given[name])
		if !fits {
			c.Doubtful = true
		}
		return value, fits
	}
	format, _ := text("format")
	switch format {
	case "", "text":
	case "csv":
		c.Format, c.Delimiter, c.Null, c.Quote, c.Escape = CopyCSV, ',', "", '"', '"'
	case "binary":
		c.Format, c.Delimiter, c.Null = CopyBinary, 0, ""
	default:
		c.Doubtful = true
	}
	single := func(name string, to *byte) (was bool) {
		v, was := text(name)
		if was && (len(v) != 1 || v[0] >= 0x80) {
			c.Doubtful = true
		} else if was {
			*to = v[0]
		}
		return was
	}
	delimited := single("delimiter", &c.Delimiter)
	if null, was := text("null"); was {
		c.Null, delimited = null, true
	}
	quoted := single("quote", &c.Quote)
	escaped := single("escape", &c.Escape)
	if quoted && !escaped {
		c.Escape = c.Quote
	}
	c.Default, c.HasDefault = text("default")
	if header, was := text("header"); was {
		c.Header = c.header(header)
	}
	if encoding, was := text("encoding"); was {
		c.Encoding = pgtypes.CleanEncoding(encoding)
		c.Doubtful = c.Doubtful || !strings.Contains(encodings, " "+c.Encoding+" ")
	}
	if onError, was := text("on_error"); was {
		c.IgnoreErrors = strings.EqualFold(onError, "ignore")
		c.Doubtful = c.Doubtful || !c.IgnoreErrors && !strings.EqualFold(onError, "stop")
	}
	c.force(given["force_quote"], func(f *CopyField) { f.ForceQuote = true })
	c.force(given["force_not_null"], func(f *CopyField) { f.ForceNotNull = true })
	c.force(given["force_null"], func(f *CopyField) { f.ForceNull = true })

	csvOnly := quoted || escaped || given["force_quote"] != nil || given["force_not_null"] != nil || given["force_null"] != nil
	textOnly := delimited || c.HasDefault || c.Header != CopyNoHeader || c.IgnoreErrors
	c.Doubtful = c.Doubtful || c.Format != CopyCSV && csvOnly || c.Format == CopyBinary && textOnly || !c.consistent()
}

// knownCopyOption are the options that there are. Those that are read nowhere
// change nothing in the data.
var knownCopyOption = map[string]bool{
	"format": true, "delimiter": true, "null": true, "quote": true, "escape": true, "default": true, "header": true, "encoding": true,
	"on_error": true, "force_quote": true, "force_not_null": true, "force_null": true,
	"freeze": true, "log_verbosity": true, "reject_limit": true,
}

// optionText is an option's value as text; none means true (defGetString,
// defGetBoolean).
func optionText(o *pg.DefElem) (value string, ok bool) {
	switch arg := o.Arg.GetNode().(type) {
	case nil:
		return "true", true
	case *pg.Node_String_:
		return arg.String_.Sval, true
	case *pg.Node_Boolean:
		if arg.Boolean.Boolval {
			return "true", true
		}
		return "false", true
	case *pg.Node_Integer:
		return itoa(arg.Integer.Ival), true
	}
	return "", false
}

// encodings are the names that Postgres knows encodings by (encnames.c), as
// pgtypes.CleanEncoding gives them.
const encodings = " abc alt big5 euccn eucjis2004 eucjp euckr euctw gb18030 gbk " +
	"iso88591 iso885910 iso885913 iso885914 iso885915 iso885916 iso88592 iso88593 iso88594 iso88595 iso88596 iso88597 iso88598 iso88599 " +
	"johab koi8 koi8r koi8u latin1 latin10 latin2 latin3 latin4 latin5 latin6 latin7 latin8 latin9 " +
	"mskanji muleinternal shiftjis shiftjis2004 sjis sqlascii tcvn tcvn5712 uhc unicode utf8 vscii " +
	"win win1250 win1251 win1252 win1253 win1254 win1255 win1256 win1257 win1258 win866 win874 win932 win936 win949 win950 " +
	"windows1250 windows1251 windows1252 windows1253 windows1254 windows1255 windows1256 windows1257 windows1258 " +
	"windows866 windows874 windows932 windows936 windows949 windows950 "

// header is defGetCopyHeaderChoice.
func (c *Copy) header(value string) CopyHeader {
	switch strings.ToLower(value) {
	case "true", "on", "1":
		return CopySkipHeader
	case "match":
		return CopyMatchHeader
	case "false", "off", "0":
	default:
		c.Doubtful = true
	}
	return CopyNoHeader
}

// force marks the fields that a FORCE option names; the asterisk names all.
func (c *Copy) force(o *pg.DefElem, mark func(*CopyField)) {
	if o == nil {
		return
	}
	if o.Arg.GetAStar() != nil {
		for i := range c.Fields {
			mark(&c.Fields[i])
		}
		return
	}
	list := o.Arg.GetList().GetItems()
	for _, n := range list {
		found := false
		for i := range c.Fields {
			if c.Fields[i].Name == n.GetString_().GetSval() && !found {
				mark(&c.Fields[i])
				found = true
			}
		}
		c.Doubtful = c.Doubtful || !found
	}
	c.Doubtful = c.Doubtful || len(list) == 0
}

// consistent tells whether the options can stand together, and data can be told
// apart by them.
func (c *Copy) consistent() bool {
	if c.Format == CopyBinary {
		return true
	}
	has := func(marker string) bool {
		return strings.ContainsAny(marker, "\r\n"+string(rune(c.Delimiter))) || c.Format == CopyCSV && strings.ContainsRune(marker, rune(c.Quote))
	}
	switch {
	case c.Delimiter == '\n' || c.Delimiter == '\r', has(c.Null), has(c.Default), c.HasDefault && (c.Default == c.Null || !c.In):
		return false
	case c.Format == CopyText:
		return !strings.ContainsRune("\\.abcdefghijklmnopqrstuvwxyz0123456789", rune(c.Delimiter))
	}
	return c.Delimiter != c.Quote && c.Quote != '\n' && c.Quote != '\r' && c.Escape != '\n' && c.Escape != '\r'
}
