package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// TestNothingIsPrinted tries every way of printing on values, pointers and
// structs that hold them.
func TestNothingIsPrinted(t *testing.T) {
	const plain = "hunter2"
	type holder struct {
		B Bytes
		T Text
	}
	type opaque struct {
		Opaque
		b []byte
		t string
	}
	type hidden struct {
		Opaque
		b *[len(plain)]byte
	}
	behind := hidden{b: (*[len(plain)]byte)([]byte(plain))}
	within := struct{ p *hidden }{&behind}
	values := []any{opaque{b: []byte(plain), t: plain}, &opaque{b: []byte(plain), t: plain}, within, &within, Bytes(plain), Text(plain), holder{Bytes(plain), Text(plain)}, &holder{Bytes(plain), Text(plain)}, []Text{plain}, map[string]Bytes{"key": Bytes(plain)}}
	var printed strings.Builder
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&printed, verb+"\n", v)
		}
		slog.New(slog.NewTextHandler(&printed, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&printed, nil)).Info("m", "v", v)
		encoded, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		printed.Write(encoded)
	}
	for _, form := range []string{plain, fmt.Sprintf("%x", plain), fmt.Sprintf("%X", plain), fmt.Sprint([]byte(plain))} {
		if at := strings.Index(printed.String(), form); at >= 0 {
			t.Errorf("printed: …%s…", printed.String()[max(0, at-40):min(printed.Len(), at+40)])
		}
	}
}

func TestZero(t *testing.T) {
	b := Bytes("key")
	b.Zero()
	if !bytes.Equal(b, make([]byte, 3)) {
		t.Error("the bytes are still there")
	}
}
