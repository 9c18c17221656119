package config

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

const (
	exampleFile = "../../config.example.yaml"
	docFile     = "../../docs/configuration.md"
)

var update = flag.Bool("update", false, "write the table of docs/configuration.md anew")

// noDefault are the keys whose values in the example are examples.
var noDefault = map[string]bool{"upstream.dsn": true, "policy": true}

func example(t *testing.T) *Config {
	t.Helper()
	t.Setenv("PGSEAL_PASSWORD", "s3cret")
	c, err := Load(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestExampleLoads(t *testing.T) {
	c := example(t)
	if got, want := c.Upstream.DSN.Reveal(), "postgres://pgseal:s3cret@127.0.0.1:5432/app"; got != want {
		t.Errorf("upstream.dsn is %q", got)
	}
	if c.Keystore.DSN != c.Upstream.DSN {
		t.Error("keystore.dsn does not default to upstream.dsn")
	}
	if len(c.Policy.Tables) != 3 || len(c.Policy.Access) != 2 {
		t.Errorf("the policy has %d tables and %d access rules", len(c.Policy.Tables), len(c.Policy.Access))
	}
	if !strings.HasPrefix(c.KMS.Local.File, "/") {
		t.Errorf("kms.local.file is %s: not made absolute", c.KMS.Local.File)
	}
}

// TestExampleShowsEveryKeyWithItsDefault goes over the fields of Config: each
// one's key is in the example, and its value there is the one of Default.
func TestExampleShowsEveryKeyWithItsDefault(t *testing.T) {
	data, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	lookup := func(string) (string, bool) { return "x", true }
	d := &decoder{lookup: lookup, lines: map[string]int{}}
	got := &Config{} // not Default: what the example leaves out stays zero
	if problem := d.parse(data, got); problem != nil {
		t.Fatal(problem)
	}
	for _, p := range d.problems {
		t.Errorf("%v: %s", p.path, p.message)
	}
	leaves := 0
	var walk func(got, want reflect.Value, path []string)
	walk = func(got, want reflect.Value, path []string) {
		for i := range got.NumField() {
			tag := got.Type().Field(i).Tag.Get("yaml")
			if tag == "" {
				t.Errorf("%s.%s has no yaml tag", got.Type(), got.Type().Field(i).Name)
			}
			if tag == "-" {
				continue
			}
			where := append(append([]string(nil), path...), tag)
			key := strings.Join(where, ".")
			if d.lines[join(where)] == 0 {
				t.Errorf("%s is not in %s", key, exampleFile)
			}
			if noDefault[key] {
				continue
			}
			if got.Field(i).Kind() == reflect.Struct {
				walk(got.Field(i), want.Field(i), where)
				continue
			}
			leaves++
			if g, w := got.Field(i).Interface(), want.Field(i).Interface(); !reflect.DeepEqual(g, w) {
				t.Errorf("%s is %v in the example; its default is %v", key, got.Field(i), want.Field(i))
			}
		}
	}
	walk(reflect.ValueOf(got).Elem(), reflect.ValueOf(Default()).Elem(), nil)
	if leaves < 30 {
		t.Errorf("only %d keys were compared", leaves)
	}
}

// TestExampleShowsEveryKeyOfThePolicy: each key that a policy can have is
// somewhere in the example's.
func TestExampleShowsEveryKeyOfThePolicy(t *testing.T) {
	data, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	var walk func(typ reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Slice || typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct {
			return
		}
		for i := range typ.NumField() {
			f := typ.Field(i)
			if key := f.Tag.Get("yaml"); key != ",key" && !strings.Contains(string(data), key+":") {
				t.Errorf("%s is not in %s", key, exampleFile)
			}
			walk(f.Type)
		}
	}
	walk(reflect.TypeOf(Default().PolicyFile))
}

// TestConfigurationPage holds the table of docs/configuration.md to the
// example: key, default and what the comment above the key says.
func TestConfigurationPage(t *testing.T) {
	data, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(docFile)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- keys: from config.example.yaml -->\n", "<!-- end of keys -->\n"
	before, rest, ok := strings.Cut(string(page), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s lacks the marks around its table", docFile)
	}
	want := before + begin + keyTable(t, string(data)) + end + after
	if *update {
		if err := os.WriteFile(docFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(page) != want {
		t.Errorf("%s is not what config.example.yaml says: run go test ./internal/config -update", docFile)
	}
}

// keyTable makes the table. It goes by lines: a key's comment stands above it.
// The policy's inner keys, which have a section of their own, are left out.
func keyTable(t *testing.T, example string) string {
	var b strings.Builder
	b.WriteString("| key | default | what it is |\n|---|---|---|\n")
	var path, comment []string
	inPolicy := false
	rows := 0
	for _, line := range strings.Split(example, "\n") {
		text := strings.TrimSpace(line)
		indent := (len(line) - len(strings.TrimLeft(line, " "))) / 2
		if c, ok := strings.CutPrefix(text, "#"); ok {
			comment = append(comment, strings.TrimSpace(c))
			continue
		}
		key, value, ok := strings.Cut(text, ":")
		if !ok {
			comment = nil
			continue
		}
		if indent == 0 {
			inPolicy = key == "policy"
		}
		if inPolicy && indent > 1 {
			comment = nil
			continue
		}
		path = append(path[:indent], key)
		value = strings.TrimSpace(value)
		if value != "" {
			value = "`" + strings.Trim(value, `"`) + "`"
			if value == "``" {
				value = "empty"
			}
		}
		name := strings.Join(path, ".")
		if noDefault[name] {
			value = "must be given"
		}
		if len(comment) == 0 {
			t.Errorf("%s has no comment above it", name)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, value, strings.ReplaceAll(strings.Join(comment, " "), "|", `\|`))
		comment = nil
		rows++
	}
	if rows < 40 {
		t.Errorf("only %d keys found", rows)
	}
	return b.String()
}
