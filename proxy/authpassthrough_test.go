package proxy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pgseal/pgseal/proxy"
)

// TestPassThrough: what the server asks for is passed on, with TLS on either leg
// and none. With TLS on both, all but SCRAM is.
func TestPassThrough(t *testing.T) {
	for _, method := range []string{"trust", "password", "md5", "scram-sha-256"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			var first *login
			for _, clientTLS := range []bool{false, true} {
				options := map[bool]string{false: "sslmode=disable", true: "sslmode=require"}[clientTLS]
				for _, upstreamTLS := range []bool{false, true} {
					l := startLogin(t, loginOptions{method: method, mode: proxy.AuthPassthrough, clientTLS: clientTLS, upstreamTLS: upstreamTLS, like: first})
					first = l
					which := fmt.Sprintf("%s, upstream TLS %v", options, upstreamTLS)
					for _, user := range []string{"alice", "mdfive"} {
						got := l.psql(t, true, user, "wonderland", options)
						want := l.psql(t, false, user, "wonderland", options)
						if clientTLS && upstreamTLS && strings.HasPrefix(want, user+"|") && (method == "scram-sha-256" || method == "md5" && user == "alice") {
							// Only SCRAM is refused: of a role with a SCRAM verifier, md5 asks for SCRAM.
							for _, part := range []string{"SCRAM cannot be passed through pgseal with TLS on both sides", "Set auth.mode: scram", "errors.md#scram-over-tls"} {
								if !strings.Contains(got, part) {
									t.Errorf("%s: %s: psql prints\n%s\nwithout %q", which, user, got, part)
								}
							}
							continue
						}
						if clientTLS && upstreamTLS && method == "scram-sha-256" {
							continue // mdfive cannot log in by SCRAM anyway
						}
						if clientTLS != upstreamTLS {
							got, want = sslOf.ReplaceAllString(got, ""), sslOf.ReplaceAllString(want, "")
						}
						if got != want {
							t.Errorf("%s: %s: psql prints\n%s\nand directly\n%s", which, user, got, want)
						}
						if err := l.pgx(t, true, user, "wonderland", options); (err == nil) != strings.HasPrefix(want, user) {
							t.Errorf("%s: %s: pgx: %v", which, user, err)
						}
						wrong, directly := l.psql(t, true, user, "x", options), l.psql(t, false, user, "x", options)
						if clientTLS != upstreamTLS {
							wrong, directly = sslOf.ReplaceAllString(wrong, ""), sslOf.ReplaceAllString(directly, "")
						}
						if wrong != directly {
							t.Errorf("%s: %s, a wrong password: psql prints\n%s\nand directly\n%s", which, user, wrong, directly)
						}
					}
					noSecrets(t, l)
				}
			}
		})
	}
}
