package sqlcorpus

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/policy"
)

// orgSources are the words for where orgs come from.
var orgSources = map[string]policy.OrgKind{"column": policy.OrgFromColumn, "setting": policy.OrgFromSetting, "value": policy.OrgFixed}

// Format writes a corpus as text.
func (c *Corpus) Format() []byte {
	var b strings.Builder
	if c.Of != "" {
		b.WriteString("of " + c.Of + "\n")
	}
	for _, r := range c.Relations {
		fmt.Fprintf(&b, "relation %s.%s %c", r.Schema, r.Name, r.Kind)
		if r.Policy != nil {
			b.WriteString(" org=" + strings.Replace(r.Policy.Org.String(), " ", ":", 1))
		}
		for _, column := range r.Columns {
			if column.Sealed && column.Policy != nil {
				fmt.Fprintf(&b, " %s!%s", column.Name, strings.ReplaceAll(column.Policy.Type.String(), " ", "_"))
			} else {
				fmt.Fprintf(&b, " %s:%d", column.Name, column.TypeOID)
			}
		}
		b.WriteByte('\n')
	}
	for _, st := range c.Statements {
		b.WriteString("\n=== " + st.At)
		if st.Extended {
			b.WriteString(" extended")
		}
		if st.Refused {
			b.WriteString(" refused")
		}
		b.WriteString("\n" + st.Text + "\n")
	}
	return []byte(b.String())
}

// Parse reads what Format wrote.
func Parse(text []byte) (*Corpus, error) {
	c := &Corpus{}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSuffix(line, "\n")
		last := len(c.Statements) - 1
		switch {
		case strings.HasPrefix(line, "=== "):
			st := Statement{}
			rest := line[len("=== "):]
			rest, st.Refused = strings.CutSuffix(rest, " refused")
			st.At, st.Extended = strings.CutSuffix(rest, " extended")
			c.Statements = append(c.Statements, st)
		case last >= 0:
			c.Statements[last].Text += line + "\n"
		case strings.HasPrefix(line, "of "):
			c.Of = line[len("of "):]
		case strings.HasPrefix(line, "relation "):
			r, err := parseRelation(line)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", number, err)
			}
			c.Relations = append(c.Relations, r)
		case line != "":
			return nil, fmt.Errorf("line %d: neither a relation nor a statement", number)
		}
	}
	for i := range c.Statements {
		c.Statements[i].Text = strings.TrimRight(c.Statements[i].Text, "\n")
	}
	return c, nil
}

func parseRelation(line string) (*catalog.Relation, error) {
	fields := strings.Fields(line)
	if len(fields) < 3 || len(fields[2]) != 1 {
		return nil, fmt.Errorf("not a relation: %q", line)
	}
	schema, name, ok := strings.Cut(fields[1], ".")
	if !ok {
		return nil, fmt.Errorf("a relation without a schema: %q", fields[1])
	}
	r := &catalog.Relation{Schema: schema, Name: name, Kind: fields[2][0]}
	fields = fields[3:]
	var org policy.OrgSource
	if len(fields) > 0 && strings.HasPrefix(fields[0], "org=") {
		source, value, _ := strings.Cut(fields[0][len("org="):], ":")
		if org = (policy.OrgSource{Kind: orgSources[source], Value: value}); org.Kind == 0 {
			return nil, fmt.Errorf("where orgs come from: %q", fields[0])
		}
		fields = fields[1:]
	}
	var sealed []policy.Column
	for i, field := range fields {
		column := &catalog.Column{Num: int16(i + 1)}
		r.Columns = append(r.Columns, column)
		if name, kind, ok := strings.Cut(field, "!"); ok {
			logical, err := policy.ParseType(strings.ReplaceAll(kind, "_", " "))
			if err != nil {
				return nil, err
			}
			column.Name, column.Sealed, column.TypeOID = name, true, sealedOID
			sealed = append(sealed, policy.Column{Name: name, Type: logical})
			continue
		}
		name, kind, _ := strings.Cut(field, ":")
		oid, err := strconv.ParseUint(kind, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("the type of %s.%s: %w", r.Name, name, err)
		}
		column.Name, column.TypeOID = name, uint32(oid)
	}
	if org.Kind != 0 {
		r.Policy = policy.NewTable(schema, r.Name, org, sealed...)
		for _, column := range r.Columns {
			column.Policy = r.Policy.Column(column.Name)
		}
	}
	return r, nil
}
