package proxy_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/policy"
)

// TestVersions plays the scripts of TestOracle on every other major version of
// Postgres, with sealed columns, and reads the catalog there. A version that is neither installed nor to be
// fetched is skipped.
func TestVersions(t *testing.T) {
	played := pgtest.Major(t, pgtest.Server(t)) // by TestOracle
	for _, major := range postgres.Majors() {
		if major == played {
			continue
		}
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			server := pgtest.Version(t, major)
			t.Run("introspection", func(t *testing.T) { compareIntrospection(t, server) })
			t.Run("scripts", func(t *testing.T) {
				databases := pgtest.NewDatabases(t, server)
				for _, file := range wireScripts(t) {
					t.Run(strings.TrimSuffix(filepath.Base(file), ".wire"), func(t *testing.T) {
						t.Parallel()
						compareWire(t, databases, file, map[string]*policy.Policy{"sealed": proxytest.WirePolicy()})
					})
				}
			})
		})
	}
}
