package proxy_test

import (
	"testing"

	"github.com/pgseal/pgseal/internal/canary"
	"github.com/pgseal/pgseal/internal/postgres"
)

// noCanary holds a server's files and log to having no canary (package canary).
func noCanary(t *testing.T, server *postgres.Server) {
	t.Helper()
	found, files, err := canary.InFiles(server.DataDir(), server.LogFile())
	if err != nil || files < 100 {
		t.Errorf("%d files searched, %v", files, err)
	}
	for _, place := range found {
		t.Errorf("plaintext in %s", place)
	}
}
