// Package telemetry sets up structured logs that cannot tell a credential.
package telemetry

import (
	"io"
	"log/slog"

	"github.com/userapikey/service/shared/apikey"
)

// NewLogger writes JSON lines at the level and above. Every line is searched
// for credentials, because some of it, like the name of an unknown field, comes
// from clients. Lines that count are metrics of CloudWatch's namespace; "" is
// none.
func NewLogger(w io.Writer, level slog.Level, namespace string) *slog.Logger {
	var handler slog.Handler = slog.NewJSONHandler(redactor{w}, &slog.HandlerOptions{Level: level})
	if namespace != "" {
		handler = newMetricHandler(handler, namespace)
	}
	return slog.New(handler)
}

// redactor takes credentials out of whole lines: slog writes each with one call,
// and JSON escapes no character of a credential. So it does not matter what kind
// of value told it.
type redactor struct{ w io.Writer }

func (r redactor) Write(line []byte) (int, error) {
	if _, err := r.w.Write(apikey.RedactBytes(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}
