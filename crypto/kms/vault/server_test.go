package vault

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
)

const rootToken = "pgseal-test-root"

// server is a Vault or OpenBao in development mode, one for all tests.
type server struct {
	program, address, unsealKey string
	root                        *api.Client
	stop                        func()
}

var (
	started     *server
	errStarting error
	starting    sync.Once
)

func TestMain(m *testing.M) {
	code := m.Run()
	if started != nil {
		started.stop()
	}
	os.Exit(code)
}

// vault gives the server. Without one on PATH the test is skipped.
func vault(t *testing.T) *server {
	t.Helper()
	var program string
	for _, name := range []string{"vault", "bao"} {
		if path, err := exec.LookPath(name); err == nil && program == "" {
			program = path
		}
	}
	if program == "" {
		t.Skip("no vault and no bao on PATH: brew install hashicorp/tap/vault, or a package of OpenBao")
	}
	starting.Do(func() { started, errStarting = startServer(program) })
	if errStarting != nil {
		t.Fatal(errStarting)
	}
	return started
}

var unsealLine = regexp.MustCompile(`^Unseal Key: (\S+)$`)

func startServer(program string) (*server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return nil, err
	}
	home, err := os.MkdirTemp("", "pgseal-vault")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, "server", "-dev", "-dev-root-token-id="+rootToken, "-dev-listen-address="+address, "-dev-no-store-token")
	cmd.Dir, cmd.Env = home, []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{program: filepath.Base(program), address: "http://" + address, stop: func() {
		_ = cmd.Process.Kill() // it keeps all in memory
		_ = cmd.Wait()
		_ = os.RemoveAll(home)
	}}
	lines := bufio.NewScanner(output)
	for s.unsealKey == "" && lines.Scan() {
		if found := unsealLine.FindStringSubmatch(lines.Text()); found != nil {
			s.unsealKey = found[1]
		}
	}
	if s.unsealKey == "" {
		s.stop()
		return nil, fmt.Errorf("%s ended without an unseal key", program)
	}
	go func() { // so that it never blocks on its output
		for lines.Scan() {
		}
	}()
	s.root, err = newClient(Options{Address: s.address})
	if err != nil {
		return nil, err
	}
	s.root.SetToken(rootToken)
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		if _, err = s.root.Sys().Health(); err == nil {
			break
		}
		if time.Since(begun) > time.Minute {
			s.stop()
			return nil, fmt.Errorf("%s does not answer: %w", program, err)
		}
	}
	return s, s.root.Sys().Mount("transit", &api.MountInput{Type: "transit"})
}

// names makes keys' and policies' names of their own for each test.
var names atomic.Int64

func unique(what string) string { return fmt.Sprintf("%s-%d", what, names.Add(1)) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write writes with the root's token.
func (s *server) write(t *testing.T, path string, data map[string]any) *api.Secret {
	t.Helper()
	secret, err := s.root.Logical().WriteWithContext(context.WithoutCancel(t.Context()), path, data)
	must(t, err)
	return secret
}

// createKey makes a key in the engine at transit and gives its name.
func (s *server) createKey(t *testing.T, o map[string]any) string {
	t.Helper()
	name := unique("key")
	s.write(t, "transit/keys/"+name, o)
	return name
}

// use is the policy for several keys.
func use(names ...string) string {
	var rules string
	for _, name := range names {
		policy, err := Policy(key(name).ARN)
		if err != nil {
			panic("vault: internal error: " + err.Error())
		}
		rules += policy
	}
	return rules
}

// allow sets a policy and gives its name.
func (s *server) allow(t *testing.T, rules string) string {
	t.Helper()
	name := unique("policy")
	must(t, s.root.Sys().PutPolicy(name, rules))
	return name
}

// token makes a token with a policy.
func (s *server) token(t *testing.T, ttl, policy string) string {
	t.Helper()
	secret, err := s.root.Auth().Token().Create(&api.TokenCreateRequest{Policies: []string{policy}, TTL: ttl})
	must(t, err)
	return secret.Auth.ClientToken
}

// front is what may stand between pgseal and Vault: it lets calls through, or
// answers or hangs in Vault's place.
type front struct {
	url    string
	answer atomic.Pointer[http.HandlerFunc]
	logins atomic.Int64
}

func (s *server) front(t *testing.T) *front {
	t.Helper()
	target, err := url.Parse(s.address)
	must(t, err)
	through := httputil.NewSingleHostReverseProxy(target)
	f := &front{}
	httpServer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/login") {
			f.logins.Add(1)
		}
		if answer := f.answer.Load(); answer != nil {
			(*answer)(w, r)
			return
		}
		through.ServeHTTP(w, r)
	}))
	t.Cleanup(httpServer.Close)
	f.url = httpServer.URL
	return f
}

func (f *front) set(answer http.HandlerFunc) { f.answer.Store(&answer) }
func (f *front) clear()                      { f.answer.Store(nil) }

// status answers with a code, in Vault's form.
func status(code int, words ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(map[string][]string{"errors": words}) // the client has gone, else
	}
}

// hang answers nothing until the client gives up, which is seen once the body is
// read.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // the client has gone, else
	<-r.Context().Done()
}
