package canary

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEachFormIsFound(t *testing.T) {
	text := Text(42)
	forms := []string{
		text, strings.ToUpper(text), hex.EncodeToString([]byte(text)), strings.ToUpper(hex.EncodeToString([]byte(text))),
		fmt.Sprint(Int(0)), fmt.Sprint(Int(65535)), fmt.Sprint(Int(42)) + ".5",
		string(binary.LittleEndian.AppendUint64(nil, uint64(Int(42)))), string(binary.BigEndian.AppendUint64(nil, uint64(Int(42)))),
		Inet(70000), netip.MustParseAddr(Inet(0)).String(),
		net.HardwareAddr(text[:6]).String(),
		netip.AddrFrom16([16]byte([]byte(text + "0000"))).String(),
		"63616e61-7279-3030-3030-343230303030",
	}
	for _, before := range []string{"", "x", "xx", "xxx", "\xff", "\xff\xff"} {
		forms = append(forms, base64.StdEncoding.EncodeToString([]byte(before+text)))
	}
	for _, form := range forms {
		if len(In([]byte("before "+form+" behind"))) == 0 {
			t.Errorf("%q is not found", form)
		}
	}
	if found := In([]byte("nothing here: 716111 Y2Fu 6361")); len(found) > 0 {
		t.Errorf("found where there is none: %q", found)
	}
}

func TestFilesAreSearched(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"a": "nothing", "b/c": "x" + Text(7)} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found, read, err := InFiles(dir)
	if err != nil || read != 2 || len(found) != 1 || !strings.HasPrefix(found[0], "c: ") {
		t.Errorf("InFiles = %q, %d, %v", found, read, err)
	}
}
