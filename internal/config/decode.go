package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/pgseal/pgseal/internal/secret"
)

// decoder fills a struct from a YAML tree. It goes by the fields' yaml tags:
//
//	yaml:"name"    the key
//	yaml:"-"       not in the file
//	yaml:",key"    in the element of a slice that the file writes as a mapping:
//	               the entry's own key
//
// It goes on after a problem, so that one run tells them all.
type decoder struct {
	lookup   func(string) (string, bool) // of environment variables
	lines    map[string]int              // joined path -> line
	problems []located
}

// located is a problem and the keys that lead to it.
type located struct {
	path    []string
	line    int // zero: that of the nearest key in the file
	message string
}

var (
	secretType   = reflect.TypeFor[secret.Text]()
	listType     = reflect.TypeFor[List]()
	durationType = reflect.TypeFor[time.Duration]()
	sizeType     = reflect.TypeFor[Size]()
)

func (d *decoder) add(path []string, line int, format string, args ...any) {
	d.problems = append(d.problems, located{slices.Clone(path), line, fmt.Sprintf(format, args...)})
}

// join makes a map key of a path; no key of a file has a NUL in it that
// matters, since two problems would then at worst share a line.
func join(path []string) string { return strings.Join(path, "\x00") }

// decode fills v, which lies at path, from node.
func (d *decoder) decode(node ast.Node, v reflect.Value, path []string) {
	line := node.GetToken().Position.Line
	switch node.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode, *ast.TagNode:
		d.add(path, line, "anchors, aliases, merge keys and tags are not supported: write the value out")
		return
	}
	switch {
	case v.Kind() == reflect.Struct:
		d.decodeStruct(node, v, path)
	case v.Kind() == reflect.Slice && keyField(v.Type().Elem()) >= 0:
		d.decodeEntries(node, v, path)
	case v.Type() == listType && !isList(node):
		v.Set(reflect.ValueOf(List{""}))
		d.decode(node, v.Index(0), path)
	case v.Kind() == reflect.Slice:
		d.decodeList(node, v, path)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.decode(node, v.Elem(), path)
	default:
		if message := d.decodeScalar(node, v, path); message != "" {
			d.add(path, line, "%s", message)
		}
	}
}

func isList(node ast.Node) bool {
	_, ok := node.(*ast.SequenceNode)
	return ok
}

// entries gives a mapping's entries; false when node is no mapping.
func entries(node ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := node.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode: // a mapping of one entry
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

func (d *decoder) decodeStruct(node ast.Node, v reflect.Value, path []string) {
	if _, null := node.(*ast.NullNode); null {
		return // a section whose every key is commented out
	}
	list, ok := entries(node)
	if !ok {
		d.add(path, node.GetToken().Position.Line, "keys are expected here, found %s", describe(node))
		return
	}
	fields := map[string]int{}
	var known []string
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("yaml"); name != "-" && name != ",key" {
			fields[name] = i
			known = append(known, name)
		}
	}
	d.each(list, path, func(entry *ast.MappingValueNode, key string, where []string) {
		i, ok := fields[key]
		if !ok {
			advice := "known here: " + strings.Join(known, ", ")
			if near := nearest(key, known); near != "" {
				advice = "did you mean " + near + "?"
			}
			d.add(where, entry.Key.GetToken().Position.Line, "unknown key; %s", advice)
			return
		}
		d.decode(entry.Value, v.Field(i), where)
	})
}

// each goes over a mapping's entries and notes where they are.
func (d *decoder) each(list []*ast.MappingValueNode, path []string, do func(entry *ast.MappingValueNode, key string, where []string)) {
	seen := map[string]bool{}
	for _, entry := range list {
		token := entry.Key.GetToken()
		key := token.Value
		where := append(slices.Clone(path), key)
		if seen[key] {
			d.add(where, token.Position.Line, "the key is there twice")
			continue
		}
		seen[key] = true
		d.lines[join(where)] = token.Position.Line
		do(entry, key, where)
	}
}

// keyField is the index of the field that takes an entry's own key, -1 when t
// has none.
func keyField(t reflect.Type) int {
	if t.Kind() != reflect.Struct {
		return -1
	}
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("yaml") == ",key" {
			return i
		}
	}
	return -1
}

// decodeEntries fills a slice from a mapping, in the mapping's order.
func (d *decoder) decodeEntries(node ast.Node, v reflect.Value, path []string) {
	list, ok := entries(node)
	if !ok {
		d.add(path, node.GetToken().Position.Line, "names with a colon behind each are expected here, found %s", describe(node))
		return
	}
	d.each(list, path, func(entry *ast.MappingValueNode, key string, where []string) {
		element := reflect.New(v.Type().Elem()).Elem()
		element.Field(keyField(element.Type())).SetString(key)
		d.decode(entry.Value, element, where)
		v.Set(reflect.Append(v, element))
	})
}

func (d *decoder) decodeList(node ast.Node, v reflect.Value, path []string) {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		d.add(path, node.GetToken().Position.Line, "a list is expected here, found %s", describe(node))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(list.Values), len(list.Values))) // not nil, even when empty
	for i, item := range list.Values {
		where := append(slices.Clone(path), fmt.Sprintf("[%d]", i))
		d.lines[join(where)] = item.GetToken().Position.Line
		d.decode(item, v.Index(i), where)
	}
}

// decodeScalar gives what is wrong, without the value of a secret.
func (d *decoder) decodeScalar(node ast.Node, v reflect.Value, path []string) string {
	text, isText := scalarText(node)
	if null, ok := node.(*ast.NullNode); ok {
		// The policy's on_unreadable has the word null for a value.
		if path[len(path)-1] != "on_unreadable" || null.GetToken().Value != "null" {
			return "no value: give one, or take the key out for the default"
		}
		text, isText = "null", true
	}
	switch v.Type() {
	case secretType:
		if !isText {
			return "text is expected here, found " + describe(node)
		}
		expanded, err := expand(text, d.lookup)
		if err != nil {
			return err.Error()
		}
		v.SetString(expanded)
		return ""
	case durationType:
		duration, err := time.ParseDuration(text)
		if !isText || err != nil {
			return fmt.Sprintf("%s is not a duration: write it as 500ms, 15s, 5m or 1h30m", describe(node))
		}
		v.SetInt(int64(duration))
		return ""
	case sizeType:
		if n, ok := node.(*ast.IntegerNode); ok {
			text = n.GetToken().Value
		} else if !isText {
			return fmt.Sprintf("%s is not a number of bytes: write it as 65536, 64KiB, 256MiB or 1GiB", describe(node))
		}
		size, err := parseSize(text)
		if err != nil {
			return err.Error()
		}
		v.SetInt(int64(size))
		return ""
	}
	switch v.Kind() {
	case reflect.String:
		if !isText {
			return fmt.Sprintf("text is expected here, found %s: put it in quotes if it is meant so", describe(node))
		}
		if strings.Contains(text, "${") && path[0] != "policy" {
			return "environment variables are only put into secrets (the DSNs, kms.aws.proxy): write the value out"
		}
		v.SetString(text)
	case reflect.Bool:
		b, ok := node.(*ast.BoolNode)
		if !ok {
			return "true or false is expected here, found " + describe(node)
		}
		v.SetBool(b.Value)
	case reflect.Int, reflect.Int64:
		n, ok := node.(*ast.IntegerNode)
		if !ok {
			return "a whole number is expected here, found " + describe(node)
		}
		switch value := n.Value.(type) {
		case int64:
			v.SetInt(value)
		case uint64:
			if value > 1<<62 {
				return fmt.Sprintf("%d is too large", value)
			}
			v.SetInt(int64(value))
		}
	case reflect.Float64:
		switch n := node.(type) {
		case *ast.FloatNode:
			v.SetFloat(n.Value)
		case *ast.IntegerNode:
			switch value := n.Value.(type) {
			case int64:
				v.SetFloat(float64(value))
			case uint64:
				v.SetFloat(float64(value))
			}
		default:
			return "a number is expected here, found " + describe(node)
		}
	default:
		panic("config: internal error: no way to decode a " + v.Type().String())
	}
	return ""
}

func scalarText(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	}
	return "", false
}

// describe says what a node is. Texts are quoted, so it is not for secrets.
func describe(node ast.Node) string {
	switch n := node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "keys"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "nothing"
	case *ast.StringNode:
		return fmt.Sprintf("%q", n.Value)
	case *ast.LiteralNode:
		return fmt.Sprintf("%q", n.Value.Value)
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode:
		return node.GetToken().Value
	}
	return "something else"
}
