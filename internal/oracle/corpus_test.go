package oracle_test

import (
	"fmt"
)

// named is a script and what is told of it.
type named struct {
	name   string // type/what; differences.txt names scripts so
	since  int    // the first major version of Postgres that it is for; 0: all
	script string
}

// corpus makes the scripts of a type, the number n of all. For each way of writing
// there is one, which then reads in one of the ways; each type begins at another
// place in the list of these. Ways of reading that are left get scripts of their own.
func corpus(n int, l *logical) []named {
	var list []named
	since := func(version int, name string, fill func(s *script)) {
		s := &script{}
		s.query("TRUNCATE %s", l.table())
		fill(s)
		list = append(list, named{l.id() + "/" + name, version, s.String()})
	}
	add := func(name string, fill func(s *script)) { since(0, name, fill) }
	var ways []write
	for _, w := range writes() {
		if w.only == nil || w.only(l) {
			ways = append(ways, w)
		}
	}
	for i := range max(len(ways), len(reads)) {
		if l.few && (i+n)%4 > 0 {
			continue
		}
		w, r := ways[i%len(ways)], reads[(i+7*n)%len(reads)]
		add(fmt.Sprintf("%s,%s", w.name, r.name), func(s *script) {
			w.send(s, l)
			for _, how := range readers {
				r.send(s, l, how)
			}
		})
	}
	for _, extra := range []func(l *logical, add func(string, func(*script))){settingScripts, badScripts, computedScripts, catalogScripts} {
		extra(l, add)
	}
	if !l.few {
		mergeScripts(l, since)
	}
	return list
}
