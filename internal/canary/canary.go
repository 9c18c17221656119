// Package canary makes values that are found again wherever they leak to: each has
// the bytes of the word canary in it, whatever its type. It searches files for them
// as they are, in hex, base64 and decimal, and in the machine's byte order.
//
// It knows nothing of statements or sealing; tests put the values where they must not
// come out of.
package canary

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const word = "canary"

// Limit is the first number that there is no canary of.
const Limit = 1000000

// Text is the canary of a number, twelve bytes.
func Text(n int) string { return fmt.Sprintf("%s%06d", word, n%Limit) }

// Int is a canary as a bigint: the word and two bytes of the number.
func Int(n int) int64 {
	return int64(binary.BigEndian.Uint64(binary.BigEndian.AppendUint16([]byte(word), uint16(n))))
}

// Inet is a canary as an IPv6 address.
func Inet(n int) string {
	return fmt.Sprintf("%x:%x:%x::%x:%x", word[:2], word[2:4], word[4:], n>>16&0xffff, n&0xffff)
}

// forms are what is looked for. Upper-case forms have lower-case ones beside them, so
// that the search is one for bytes.
var forms = makeForms()

func makeForms() [][]byte {
	forms := []string{word, strings.ToUpper(word)}
	digits := hex.EncodeToString([]byte(word))
	pairs := make([]string, 0, len(word))
	for i := 0; i < len(digits); i += 2 {
		pairs = append(pairs, digits[i:i+2])
	}
	for _, h := range []string{
		digits, strings.Join(pairs, ":"), strings.Join(pairs, "-"), // macaddr
		digits[:8] + "-" + digits[8:],                     // uuid
		digits[:4] + ":" + digits[4:8] + ":" + digits[8:], // inet
	} {
		forms = append(forms, h, strings.ToUpper(h))
	}
	reversed := []byte(word)
	slices.Reverse(reversed)
	forms = append(forms, string(reversed))
	// The digits that all canaries of type bigint begin with.
	low, high := fmt.Sprint(Int(0)), fmt.Sprint(Int(1<<16-1))
	same := 0
	for low[same] == high[same] {
		same++
	}
	forms = append(forms, low[:same])
	// Base64 of the word at each of the three places in a group of bytes; the
	// characters that other bytes have a part in are left out.
	for before := range 3 {
		text := base64.StdEncoding.EncodeToString([]byte("xxx"[:before] + word))
		first, last := (before*8+5)/6, (before+len(word))*8/6
		forms = append(forms, text[first:last])
	}
	out := make([][]byte, len(forms))
	for i, f := range forms {
		out[i] = []byte(f)
	}
	return out
}

// In gives up to three places where a canary stands in b, each with what is around it.
func In(b []byte) []string {
	var found []string
	for _, form := range forms {
		at := bytes.Index(b, form)
		if at < 0 {
			continue
		}
		from, to := max(0, at-200), min(len(b), at+100)
		if found = append(found, fmt.Sprintf("%q", b[from:to])); len(found) == 3 {
			break
		}
	}
	return found
}

// InFiles gives the places in all files of the folders, each with its file's name, and
// the number of files that were read.
func InFiles(paths ...string) (found []string, read int, err error) {
	for _, path := range paths {
		err := filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			content, err := os.ReadFile(name)
			if os.IsNotExist(err) { // a server that runs removes files
				return nil
			}
			if err != nil {
				return err
			}
			read++
			for _, place := range In(content) {
				found = append(found, filepath.Base(name)+": "+place)
			}
			return nil
		})
		if err != nil {
			return nil, read, err
		}
	}
	return found, read, nil
}
