package main

import (
	"time"

	"github.com/pgseal/pgseal/internal/config"
	"github.com/pgseal/pgseal/internal/pgtypes"
)

// expirySoon is when a certificate's end is worth a warning.
const expirySoon = 14 * 24 * time.Hour

// checkConfig looks at what a file that loads may still have wrong.
func checkConfig(f *findings, file string, c *config.Config) {
	f.ok("%s is valid: %s", file, count(len(c.Policy.Tables), "table"))
	cert, err := serverTLS(c.TLS)
	switch {
	case err != nil:
		f.fail("%v", err)
	case cert != nil:
		leaf := cert.Certificates[0].Leaf
		left := time.Until(leaf.NotAfter)
		until := leaf.NotAfter.UTC().Format(time.DateOnly)
		switch {
		case left < 0:
			f.fail("tls.cert: the certificate was valid until %s: clients that verify it won't connect; put a new one in its place", until)
		case left < expirySoon:
			f.warn("tls.cert: the certificate is valid until %s only", until)
		default:
			f.ok("tls.cert: valid until %s", until)
		}
	}
	checkLogins(f, c)
	for _, t := range c.Policy.Tables {
		for _, column := range t.Columns {
			if _, err := pgtypes.For(column.Type); err != nil {
				f.fail("policy: column %s: %v", column.QualifiedName(), err)
			}
		}
	}
}
