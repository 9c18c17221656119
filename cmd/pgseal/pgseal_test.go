package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/pgtest"
)

func TestMain(m *testing.M) {
	if os.Getenv(asProcess) != "" {
		main()
	}
	pgtest.Main(m)
}

// asProcess makes the test's binary pgseal itself, for tests that need a process.
const asProcess = "PGSEAL_TEST_AS_PROCESS"

// result is what a command line gave.
type result struct {
	code           int
	stdout, stderr string
}

// pgseal runs a command line in this process.
func pgseal(t *testing.T, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, strings.NewReader(""), &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

// want holds a command's exit code and its two outputs, whole.
func (r result) want(t *testing.T, code int, stdout, stderr string) {
	t.Helper()
	if r.code != code || r.stdout != stdout || r.stderr != stderr {
		t.Errorf("exit code %d, want %d\nstdout:\n%s\nwant:\n%s\nstderr:\n%s\nwant:\n%s", r.code, code, r.stdout, stdout, r.stderr, stderr)
	}
}

// has holds a command's exit code, and parts of its output.
func (r result) has(t *testing.T, code int, parts ...string) {
	t.Helper()
	well := r.code == code
	if !well {
		t.Errorf("exit code %d, want %d", r.code, code)
	}
	for _, part := range parts {
		if !strings.Contains(r.stdout+r.stderr, part) {
			well = false
			t.Errorf("%q is not in the output", part)
		}
	}
	if !well {
		t.Logf("stdout:\n%s\nstderr:\n%s", r.stdout, r.stderr)
	}
}

const policyText = `
policy:
  tables:
    spans:
      org: {column: org_id}
      columns: {attributes: {type: jsonb}}
`

// writeConfig writes a configuration file and gives its path. rest is YAML
// behind the upstream section, whose server and database are those of dsn.
func writeConfig(t *testing.T, dsn, rest string) string {
	t.Helper()
	settings, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("upstream:\n  address: %s:%d\n  dsn: ${TEST_DSN}\n%s", settings.Host, settings.Port, rest)
	t.Setenv("TEST_DSN", dsn)
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// execute runs SQL straight on a database.
func execute(t *testing.T, dsn, sql string) {
	t.Helper()
	ctx := context.Background() // not the test's, which is over when it cleans up
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Fatal(err)
	}
}

// startKMS starts a KMS on loopback and gives the configuration for it. The
// environment has credentials that it accepts.
func startKMS(t *testing.T) (*kmsserver.Server, string) {
	t.Helper()
	server := kmsserver.New(kmsserver.Options{})
	url, err := server.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	credentials, err := server.Credentials().Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", credentials.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", credentials.SecretAccessKey)
	t.Setenv("AWS_SESSION_TOKEN", credentials.SessionToken)
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	return server, "kms: {aws: {endpoint: '" + url + "'}}\n"
}

func createKey(t *testing.T, server *kmsserver.Server, o kmsserver.KeyOptions) string {
	t.Helper()
	arn, err := server.CreateKey(o)
	if err != nil {
		t.Fatal(err)
	}
	return arn
}
