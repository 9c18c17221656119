package clients_test

import (
	"testing"

	"github.com/pgseal/pgseal/internal/clienttest"
)

// client is a client, and how its clienttest.Program is made ready: install skips the test,
// with the command that helps, when the machine lacks what it needs.
type client struct {
	name    string
	install func(t *testing.T) clienttest.Program
}

// clients are in the table's order.
var clients = []client{
	{"psql", psql},
	{"pg_dump", dump},
	{"pgbench", bench},
	{"pgx", func(*testing.T) clienttest.Program { return playPgx }},
	{"lib/pq", func(*testing.T) clienttest.Program { return playPQ }},
	{"psycopg2", python("psycopg2", "psycopg2_client.py")},
	{"psycopg", python("psycopg", "psycopg_client.py")},
	{"asyncpg", python("asyncpg", "asyncpg_client.py")},
	{"node-postgres", node("pg_client.mjs")},
	{"postgres.js", node("postgres_client.mjs")},
	{"JDBC", jdbc},
}

// python is a client that is a Python module, of Debian's packages.
func python(module, script string) func(t *testing.T) clienttest.Program {
	return func(t *testing.T) clienttest.Program {
		t.Helper()
		return clienttest.Run("testdata/python", clienttest.Python(t, module), script)
	}
}

// node is a client that is a package of npm's.
func node(script string) func(t *testing.T) clienttest.Program {
	return func(t *testing.T) clienttest.Program {
		t.Helper()
		return clienttest.Run(clienttest.NodeFolder(t, "testdata/node"), "node", script)
	}
}

// jdbc is Postgres's JDBC driver.
func jdbc(t *testing.T) clienttest.Program {
	t.Helper()
	return clienttest.Java(t, "testdata/java/JdbcClient.java")
}
