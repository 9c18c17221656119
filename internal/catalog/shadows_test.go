package catalog_test

import "testing"

func TestShadows(t *testing.T) {
	dsn := database(t)
	client := connect(t, dsn, "public")
	before := load(t, connect(t, dsn, ""), testPolicy(), nil)
	client.exec(`
CREATE SCHEMA other;
CREATE TYPE shape AS (a int);
CREATE FUNCTION other.length(jsonb) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION "left"(anyelement) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION "right"(shape, int) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION at(jsonb, date) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION at(shape, date) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE OPERATOR -> (LEFTARG = jsonb, RIGHTARG = date, FUNCTION = at);
CREATE OPERATOR ->> (LEFTARG = shape, RIGHTARG = date, FUNCTION = at)`)
	after := load(t, connect(t, dsn, ""), testPolicy(), before)
	for name, want := range map[string]bool{"length": true, "left": true, "right": false, "substr": false, "->": true, "->>": false, "at": false} {
		if before.Shadows(name) {
			t.Errorf("%s: there is a user's before one was made", name)
		}
		if after.Shadows(name) != want {
			t.Errorf("%s: a user's may be meant: %v, want %v", name, !want, want)
		}
	}
}
