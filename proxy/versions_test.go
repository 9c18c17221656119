package proxy_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/policy"
)

// TestVersions plays the scripts of TestOracle on every other major version of
// Postgres, with sealed columns. A version that is neither installed nor to be
// fetched is skipped.
func TestVersions(t *testing.T) {
	played := majorOf(t, pgtest.Server(t)) // by TestOracle
	for _, major := range postgres.Majors() {
		if major == played {
			continue
		}
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			server := serverOf(t, major)
			t.Run("scripts", func(t *testing.T) {
				databases := newWireDatabases(t, server)
				for _, file := range wireScripts(t) {
					t.Run(strings.TrimSuffix(filepath.Base(file), ".wire"), func(t *testing.T) {
						t.Parallel()
						compareWire(t, databases, file, map[string]*policy.Policy{"sealed": proxytest.NotesPolicy()})
					})
				}
			})
		})
	}
}

// serverOf starts a server of a major version.
func serverOf(t *testing.T, major int) *postgres.Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	bin, err := postgres.BinariesOf(ctx, major)
	if err != nil {
		t.Skip(err)
	}
	return pgtest.Private(t, postgres.Options{Binaries: bin})
}
