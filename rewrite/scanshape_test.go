package rewrite

import "testing"

// TestScanShape: words in values count where somebody may act on them, and only
// there.
func TestScanShape(t *testing.T) {
	r := New(fixture(), Limits{})
	for text, want := range map[string]struct{ mustParse, ok bool }{
		"INSERT INTO users (id, name) VALUES (1, 'DROP TABLE spans; set it')":                         {false, true},
		`INSERT INTO "public"."users" ("id", "name") VALUES (1, 'create'), (2, 'do it')`:              {false, true},
		"INSERT INTO public.users(id) VALUES (1)":                                                     {false, true},
		"UPDATE users SET name = 'call me', (id, body) = (2, 'discard') WHERE id IN (1) AND (id = 1)": {false, true},
		"SELECT * FROM users WHERE name = 'execute' OR id = ANY (SELECT 1)":                           {false, true},
		"SELECT 'prepare'::varchar(20)":                                                               {false, true},
		"DELETE FROM users WHERE name = 'spans'":                                                      {false, true},
		"INSERT INTO spans (id, note) VALUES (1, 'drop')":                                             {true, true},
		"SELECT query_to_xml('SELECT * FROM spans')":                                                  {false, false},
		"SELECT \"f\"('drop')":                                                                        {false, false},
		"SELECT public . f ('drop')":                                                                  {false, false},
		"SELECT x.f('drop') FROM users":                                                               {false, false},
		"INSERT INTO users SELECT f('drop')":                                                          {false, false},
		"INSERT INTO users (id) SELECT into('drop')":                                                  {false, false},
		"CREATE FUNCTION f AS 'INSERT INTO spans'":                                                    {false, false},
		"DO 'BEGIN END'":          {true, false},
		"SET pgseal.org = 'acme'": {true, false},
		"SET x = 'acme'":          {false, false},
		"SELECT 'a' INTO t":       {false, false},
		"EXECUTE p ('spans')":     {false, false},
	} {
		var s Shape
		if !s.Read([]byte(text)) {
			t.Fatalf("%s has no shape", text)
		}
		mustParse, ok := r.ScanShape(&s)
		if ok != want.ok || ok && mustParse != want.mustParse {
			t.Errorf("%s: %v, %v, want %+v", text, mustParse, ok, want)
		}
	}
}
