// Package telemetry sets up structured logs that cannot tell a credential.
package telemetry

import (
	"io"
	"log/slog"

	"github.com/userapikey/service/shared/apikey"
)

// NewLogger writes JSON lines at the level and above. Every text in them is
// searched for credentials, because some of it, like the name of an unknown
// field, comes from clients.
func NewLogger(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: redact}))
}

func redact(_ []string, attribute slog.Attr) slog.Attr {
	switch value := attribute.Value.Any().(type) {
	case string:
		attribute.Value = slog.StringValue(apikey.Redact(value))
	case error:
		attribute.Value = slog.StringValue(apikey.Redact(value.Error()))
	}
	return attribute
}
