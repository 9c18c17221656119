package proxy_test

import (
	"net"
	"os"
	"testing"

	"github.com/pgseal/pgseal/internal/wirescript"
)

// dialWire connects and logs in without a password.
func dialWire(t testing.TB, dsn string) *wireTest {
	t.Helper()
	p, err := wirescript.NewPlayer(dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	if err := p.On("a"); err != nil {
		t.Fatal(err)
	}
	return &wireTest{t, p}
}

// wireTest is a player of wire scripts whose errors end the test.
type wireTest struct {
	t      testing.TB
	player *wirescript.Player
}

// run plays a script and gives the transcript.
func (w *wireTest) run(script string) []string {
	w.t.Helper()
	if err := w.player.Play(script); err != nil {
		w.t.Fatal(err)
	}
	return w.player.Lines
}

// conn is the connection of the client that the script is at.
func (w *wireTest) conn() *net.TCPConn { return w.player.Conn() }

// readScript reads a wire script.
func readScript(t testing.TB, file string) string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
