package config

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"

	"github.com/pgseal/pgseal/internal/secret"
	"github.com/pgseal/pgseal/policy"
)

// Load reads and validates a file. Relative paths in it are taken from the
// file's own folder. The error is Problems.
func Load(file string) (*Config, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		message := "cannot be read: " + err.Error()
		if errors.Is(err, fs.ErrNotExist) {
			message = "there is no such file: write one (config.example.yaml shows every key), or name another with --config or PGSEAL_CONFIG"
		} else if reason := new(fs.PathError); errors.As(err, &reason) {
			message = "cannot be read: " + reason.Err.Error()
		}
		return nil, Problems{{File: file, Message: message}}
	}
	c, err := Parse(file, data, os.LookupEnv)
	if err != nil {
		return nil, err
	}
	folder, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, Problems{{File: file, Message: "its folder cannot be found out: " + err.Error()}}
	}
	for _, path := range []*string{&c.Listen.UnixSocket, &c.TLS.Cert, &c.TLS.Key, &c.TLS.ClientCA, &c.Upstream.TLS.CA, &c.Upstream.TLS.Cert, &c.Upstream.TLS.Key, &c.KMS.Local.File, &c.KMS.Vault.CA, &c.KMS.Vault.File} {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(folder, *path)
		}
	}
	return c, nil
}

// Parse validates the text of a file. The name is for messages; lookup gives
// environment variables. The error is Problems.
func Parse(name string, data []byte, lookup func(string) (string, bool)) (*Config, error) {
	c := Default()
	d := &decoder{lookup: lookup, lines: map[string]int{}}
	if problem := d.parse(data, c); problem != nil {
		problem.File = name
		return nil, Problems{*problem}
	}
	decoded := len(d.problems)
	validate(c, func(key, message string) {
		d.add(strings.Split(key, "."), 0, "%s", message)
	})
	p, err := c.PolicyFile.Policy()
	var inPolicy policy.Problems
	if errors.As(err, &inPolicy) {
		for _, problem := range inPolicy {
			d.add(problem.Path, 0, "%s", problem.Message)
		}
	}
	d.dropEchoes(decoded)
	if len(d.problems) > 0 {
		return nil, d.report(name)
	}
	c.Policy = p
	for _, dsn := range []*secret.Text{&c.Keystore.DSN, &c.Auth.DSN} {
		if *dsn == "" {
			*dsn = c.Upstream.DSN
		}
	}
	return c, nil
}

// parse decodes data into c. What keeps it from being read at all is returned.
func (d *decoder) parse(data []byte, c *Config) *Problem {
	if bytes.IndexByte(data, 0) >= 0 {
		return &Problem{Message: "not a text file: it has a NUL in it"}
	}
	tree, err := parser.ParseBytes(data, 0)
	if err != nil {
		p := &Problem{Message: "not valid YAML"}
		if syntax := yaml.Error(nil); errors.As(err, &syntax) {
			p.Message += ": " + syntax.GetMessage()
			if token := syntax.GetToken(); token != nil && token.Position != nil {
				p.Line = token.Position.Line
			}
		}
		return p
	}
	switch {
	case len(tree.Docs) > 1:
		p := &Problem{Message: "a second document begins here: there can be only one in the file"}
		if start := tree.Docs[1].Start; start != nil {
			p.Line = start.Position.Line
		}
		return p
	case len(tree.Docs) == 1 && tree.Docs[0].Body != nil:
		d.decode(tree.Docs[0].Body, reflect.ValueOf(c).Elem(), nil)
	}
	return nil
}

// dropEchoes drops problems of validation (those from index on) about a key, or
// a key above or below one, that could not be decoded in the first place.
func (d *decoder) dropEchoes(from int) {
	kept := d.problems[:from:from]
	for _, late := range d.problems[from:] {
		echo := slices.ContainsFunc(d.problems[:from], func(early located) bool {
			n := min(len(early.path), len(late.path))
			return slices.Equal(early.path[:n], late.path[:n])
		})
		if !echo {
			kept = append(kept, late)
		}
	}
	d.problems = kept
}

// report gives the problems in the order of their lines.
func (d *decoder) report(name string) Problems {
	var problems Problems
	for _, p := range d.problems {
		line := p.line
		for n := len(p.path); n > 0 && line == 0; n-- {
			line = d.lines[join(p.path[:n])]
		}
		key := strings.ReplaceAll(strings.Join(p.path, "."), ".[", "[")
		problems = append(problems, Problem{File: name, Line: line, Key: key, Message: p.message})
	}
	slices.SortStableFunc(problems, func(a, b Problem) int { return a.Line - b.Line })
	return problems
}
