package postgres

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// unpackLimit bounds what an archive may grow to; the real ones are 60 MB.
const unpackLimit = 256 << 20

// unpackTar writes the regular files and links of the archive below prefix into
// root, without the prefix. What would land outside root is an error (os.Root).
// Permissions are reduced to readable, and executable where they were.
func unpackTar(r io.Reader, prefix string, root *os.Root) error {
	left := int64(unpackLimit)
	for entries := tar.NewReader(r); ; {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name, ok := strings.CutPrefix(h.Name, prefix)
		if !ok || name == "" {
			continue
		}
		switch h.Typeflag {
		case tar.TypeReg:
			if left -= h.Size; left < 0 {
				return fmt.Errorf("the archive unpacks to more than %d bytes", unpackLimit)
			}
			err = writeFile(root, name, entries, h.Mode&0o111 != 0)
		case tar.TypeSymlink:
			err = symlink(root, path.Join(path.Dir(name), h.Linkname), name)
		}
		if err != nil {
			return err
		}
	}
}

func writeFile(root *os.Root, name string, r io.Reader, executable bool) (err error) {
	name = filepath.FromSlash(path.Clean(name))
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if executable {
		mode = 0o755
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = io.Copy(f, r)
	return err
}

// symlink makes the link, both ends given from root's top. Neither may leave it.
func symlink(root *os.Root, to, link string) error {
	to, link = filepath.FromSlash(path.Clean(to)), filepath.FromSlash(path.Clean(link))
	if !filepath.IsLocal(to) || !filepath.IsLocal(link) {
		return errors.New("a link leaves the folder")
	}
	relative, err := filepath.Rel(filepath.Dir(link), to)
	if err != nil {
		return err
	}
	if err := root.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		return err
	}
	return root.Symlink(relative, link)
}
