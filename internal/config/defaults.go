package config

import (
	"time"

	"github.com/pgseal/pgseal/internal/authquery"
)

// keepalive finds a peer dead two minutes after its last word. There is no user
// timeout: it would cut off a peer that reads slowly, such as psql with a pager,
// or a server that is busy with a long statement while more is sent to it.
var keepalive = Keepalive{Idle: time.Minute, Interval: 15 * time.Second, Count: 4}

// Default is the configuration of an empty file. It is not valid: upstream.dsn
// and policy have no default.
func Default() *Config {
	return &Config{
		Listen: Listen{Address: "127.0.0.1:6432", UnixSocketMode: "0777", Keepalive: keepalive},
		TLS:    TLS{Mode: "disable", ClientAuth: "optional"},
		Upstream: Upstream{
			Address:            List{"127.0.0.1:5432"},
			TargetSessionAttrs: "any",
			ConnectTimeout:     10 * time.Second,
			CatalogInterval:    5 * time.Second,
			TLS:                UpstreamTLS{Mode: "disable"},
			Keepalive:          keepalive,
		},
		Auth: Auth{Mode: "passthrough", Query: authquery.DefaultQuery, CacheTTL: 10 * time.Second, Timeout: 5 * time.Second},
		KMS: KMS{
			Provider:       List{"aws"},
			Vault:          Vault{Login: "token"},
			Local:          Local{File: "local-keys.json"},
			Allow:          []string{},
			DefaultKey:     DefaultKey{Replicas: []string{}},
			Timeout:        5 * time.Second,
			HealthInterval: 15 * time.Second,
			CacheTTL:       5 * time.Minute,
			RefreshAhead:   30 * time.Second,
			MaxStale:       time.Hour,
			CacheKeys:      10_000,
			DataKey: DataKey{
				MaxAge:   24 * time.Hour,
				MaxSeals: 1 << 32,
				MaxBytes: 1 << 40,
			},
		},
		Admin: Admin{Address: "127.0.0.1:6433"},
		Audit: Audit{Opens: true},
		Telemetry: Telemetry{
			ServiceName: "pgseal",
			Log:         Log{Level: "info", Format: "text"},
			Metrics:     Metrics{Prometheus: true, Interval: time.Minute},
			Traces:      Traces{SampleRatio: 0.01},
		},
		Limits: Limits{
			Clients:          1000,
			MessageBytes:     256 << 20,
			StartupTimeout:   30 * time.Second,
			StatementNesting: 5000,
			PlanCache:        10_000,
			KeyTimeout:       30 * time.Second,
			ShutdownGrace:    30 * time.Second,
		},
	}
}
