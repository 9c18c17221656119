package postgres

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const childVariable = "PGSEAL_POSTGRES_TEST_CHILD"

// TestMain is, in the child of TestDiesWithParent, a program that starts a
// server and waits to be killed.
func TestMain(m *testing.M) {
	if os.Getenv(childVariable) == "" {
		os.Exit(m.Run())
	}
	s, err := Start(context.Background(), Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(s.Port(), s.SocketDir())
	select {}
}

func TestDiesWithParent(t *testing.T) {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childVariable+"=1")
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	port, dir, _ := strings.Cut(strings.TrimSpace(line), " ")

	sweepOne(dir, time.Now().Add(2*lockGrace))
	if _, err := os.Stat(dir); err != nil {
		t.Fatalf("the folder of a living process was swept: %v", err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	for {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			break
		}
		_ = conn.Close()
		time.Sleep(10 * time.Millisecond)
	}
	sweepOne(dir, time.Now())
	if _, err := os.Stat(dir); err != nil {
		t.Fatalf("a folder that may still be in the making was swept: %v", err)
	}
	sweepOne(dir, time.Now().Add(2*lockGrace))
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Fatalf("the folder that was left behind: %v, want it gone", err)
	}
}
