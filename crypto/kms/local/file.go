package local

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	stateEnabled  = "enabled"
	stateDisabled = "disabled"
)

// maxFile bounds the key file, in bytes.
const maxFile = 1 << 20

type keyFile struct {
	Keys map[string]*fileKey `json:"keys"`
}

type fileKey struct {
	Key         []byte `json:"key"` // 32 bytes, base64 in the file
	State       string `json:"state"`
	Description string `json:"description,omitempty"`
}

// AddKey puts a new key of the given name into the file at path, which it makes
// if it is not there, and gives the key's ARN. A name that is taken is an error
// that wraps fs.ErrExist.
func AddKey(path, name, description string) (arn string, err error) {
	if name == "" {
		return "", errors.New("key file: a key needs a name")
	}
	err = change(path, func(f *keyFile) error {
		if f.Keys[name] != nil {
			return fmt.Errorf("key file %s: key %q: %w", path, name, fs.ErrExist)
		}
		key := make([]byte, 32)
		_, _ = rand.Read(key) // never fails (crypto/rand)
		f.Keys[name] = &fileKey{Key: key, State: stateEnabled, Description: description}
		return nil
	})
	if err != nil {
		return "", err
	}
	return Prefix + name, nil
}

// SetEnabled enables or disables a key of the file.
func SetEnabled(path, name string, enabled bool) error {
	return change(path, func(f *keyFile) error {
		key := f.Keys[name]
		if key == nil {
			return fmt.Errorf("key file %s: key %q: %w", path, name, fs.ErrNotExist)
		}
		key.State = stateDisabled
		if enabled {
			key.State = stateEnabled
		}
		return nil
	})
}

// change reads the file, or begins one, and writes what do makes of it, while
// nobody else does: a key that another process has just added is never lost.
func change(path string, do func(*keyFile) error) (err error) {
	unlock, err := lock(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	f, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = &keyFile{Keys: map[string]*fileKey{}}, nil
	}
	if err != nil {
		return err
	}
	if err := do(f); err != nil {
		return err
	}
	return writeFile(path, f)
}

// readFile reads the key file, and refuses one that others than its owner may
// read.
func readFile(path string) (*keyFile, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	if mode := info.Mode(); !mode.IsRegular() || mode.Perm()&0o077 != 0 {
		return nil, fmt.Errorf("key file %s: its mode is %v: it must be a file that its owner alone can read: chmod 600 %s", path, mode, path)
	}
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	defer clear(data)
	if len(data) > maxFile {
		return nil, fmt.Errorf("key file %s: longer than %d bytes", path, maxFile)
	}
	return parseFile(path, data)
}

// parseFile reads the file's contents. Errors tell the place, never what is
// written there.
func parseFile(path string, data []byte) (*keyFile, error) {
	var f keyFile
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		var syntax *json.SyntaxError
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("key file %s: the JSON ends too early", path)
		}
		if errors.As(err, &syntax) {
			return nil, fmt.Errorf("key file %s: not valid JSON at byte %d", path, syntax.Offset)
		}
		return nil, fmt.Errorf(`key file %s: not of the form {"keys": {"NAME": {"key": …, "state": "enabled"}}}`, path)
	}
	if d.More() {
		return nil, fmt.Errorf("key file %s: something follows the JSON object at byte %d", path, d.InputOffset())
	}
	if f.Keys == nil {
		f.Keys = map[string]*fileKey{}
	}
	for name, key := range f.Keys {
		switch {
		case name == "":
			return nil, fmt.Errorf("key file %s: a key has no name", path)
		case key == nil || len(key.Key) != 32:
			return nil, fmt.Errorf("key file %s: key %q: want 32 bytes in base64", path, name)
		case key.State != stateEnabled && key.State != stateDisabled:
			return nil, fmt.Errorf("key file %s: key %q: state must be %q or %q", path, name, stateEnabled, stateDisabled)
		}
	}
	return &f, nil
}

// writeFile replaces the key file as a whole, so that a reader never sees half
// of it.
func writeFile(path string, f *keyFile) error {
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return fmt.Errorf("key file %s: %w", path, err)
	}
	defer clear(data)
	temp, err := os.CreateTemp(filepath.Dir(path), ".pgseal-keys-*") // made with mode 0600
	if err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	_, err = temp.Write(append(data, '\n'))
	if err == nil {
		err = temp.Sync()
	}
	if closeErr := temp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("key file %s: %w", path, err), os.Remove(temp.Name()))
	}
	if err := syncFolder(path); err != nil {
		return fmt.Errorf("key file %s: %w", path, err)
	}
	return nil
}
