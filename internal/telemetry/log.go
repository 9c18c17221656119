package telemetry

import (
	"io"
	"log/slog"

	"github.com/pgseal/pgseal/internal/config"
)

// newLogger makes the logger that c asks for. A level that config does not
// know can't come here; it would be info.
func newLogger(c config.Log, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
