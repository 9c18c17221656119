package postgres

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/xi2/xz"
)

// On Maven Central lie the archives that zonky's embedded-postgres-binaries
// builds, the same that github.com/fergusstrange/embedded-postgres takes: a jar
// that holds one tar.xz. That module's Start does it too, but then refuses to
// run as root, and takes an archive whose checksum did not arrive.

const (
	mavenHost    = "https://repo1.maven.org/maven2"
	mavenMajor   = 17
	mavenVersion = "17.5.0"
)

func fromMaven(ctx context.Context, major int, root *os.Root) error {
	if major != mavenMajor {
		return errNoSuchVersion
	}
	return fromMavenAt(ctx, mavenHost, root)
}

func fromMavenAt(ctx context.Context, host string, root *os.Root) error {
	artifact := "embedded-postgres-binaries-" + mavenPlatform()
	jarURL := fmt.Sprintf("%s/io/zonky/test/postgres/%s/%s/%s-%s.jar", host, artifact, mavenVersion, artifact, mavenVersion)
	sum, err := get(ctx, jarURL+".sha256", 1<<10)
	if err != nil {
		return err
	}
	jar, err := get(ctx, jarURL, 256<<20)
	if err != nil {
		return err
	}
	want, err := hex.DecodeString(strings.TrimSpace(string(sum)))
	if err != nil {
		return fmt.Errorf("the checksum beside %s is not hexadecimal", jarURL)
	}
	if got := sha256.Sum256(jar); subtle.ConstantTimeCompare(got[:], want) != 1 {
		return fmt.Errorf("%s does not have the checksum beside it", jarURL)
	}
	return unpackJar(jar, root)
}

func unpackJar(jar []byte, root *os.Root) error {
	files, err := zip.NewReader(bytes.NewReader(jar), int64(len(jar)))
	if err != nil {
		return err
	}
	for _, file := range files.File {
		if !strings.HasSuffix(file.Name, ".txz") {
			continue
		}
		compressed, err := file.Open()
		if err != nil {
			return err
		}
		plain, err := xz.NewReader(compressed, 0)
		if err != nil {
			return errors.Join(err, compressed.Close())
		}
		return errors.Join(unpackTar(plain, "", root), compressed.Close())
	}
	return errors.New("the jar holds no .txz")
}

func mavenPlatform() string {
	arch := runtime.GOARCH
	if arch == "arm64" {
		arch = "arm64v8"
	}
	if _, err := os.Stat("/etc/alpine-release"); err == nil {
		arch += "-alpine"
	}
	return runtime.GOOS + "-" + arch
}

// get reads a URL's body of at most limit bytes. A host that does not answer is
// given up soon: there is another source.
func get(ctx context.Context, url string, limit int64) ([]byte, error) {
	client := http.Client{Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: 15 * time.Second,
		DisableKeepAlives:     true,
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, res.Status)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = fmt.Errorf("%s is longer than %d bytes", url, limit)
	}
	return body, err
}
