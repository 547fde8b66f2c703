package config_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/userapikey/service/shared/config"
)

// variables is an environment with these variables alone.
func variables(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func TestEveryMissingVariableIsReportedAtOnce(t *testing.T) {
	r := config.NewReader(variables(map[string]string{"PRESENT": "here", "EMPTY": ""}))
	for _, name := range []string{"FIRST", "PRESENT", "SECOND", "EMPTY", "LAST"} {
		r.Required(name)
	}
	err := r.Err()
	if err == nil {
		t.Fatal("nothing is reported")
	}
	for _, name := range []string{"FIRST", "SECOND", "EMPTY", "LAST"} {
		if strings.Count(err.Error(), name+" is not set") != 1 {
			t.Errorf("%q does not report %s", err, name)
		}
	}
	if strings.Contains(err.Error(), "PRESENT") {
		t.Errorf("%q reports what is set", err)
	}
}

func TestEveryKindOfProblemIsReportedAtOnce(t *testing.T) {
	r := config.NewReader(variables(map[string]string{"LOG_LEVEL": "loud"}))
	r.Required("TABLE_NAME")
	r.LogLevel("LOG_LEVEL")
	r.Check(errors.New("ISSUER_URL is no URL"))
	err := r.Err()
	if err == nil {
		t.Fatal("nothing is reported")
	}
	for _, problem := range []string{"TABLE_NAME is not set", "LOG_LEVEL is not one of debug, info, warn, error", "ISSUER_URL is no URL"} {
		if !strings.Contains(err.Error(), problem) {
			t.Errorf("%q does not tell that %s", err, problem)
		}
	}
}

func TestNothingIsReportedOfAGoodEnvironment(t *testing.T) {
	r := config.NewReader(variables(map[string]string{"TABLE_NAME": "keys", "JWKS_URL": "https://issuer/keys"}))
	if got := r.Required("TABLE_NAME"); got != "keys" {
		t.Errorf("TABLE_NAME is %q", got)
	}
	if got := r.Optional("JWKS_URL", "fallback"); got != "https://issuer/keys" {
		t.Errorf("JWKS_URL is %q", got)
	}
	if got := r.Optional("CLAIM_ROLES", "roles"); got != "roles" {
		t.Errorf("CLAIM_ROLES is %q", got)
	}
	r.LogLevel("LOG_LEVEL")
	r.Check(nil)
	if err := r.Err(); err != nil {
		t.Error(err)
	}
}

func TestLogLevels(t *testing.T) {
	for text, want := range map[string]slog.Level{
		"": slog.LevelInfo, "debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError, "ERROR": slog.LevelError,
	} {
		t.Run(text, func(t *testing.T) {
			r := config.NewReader(variables(map[string]string{"LOG_LEVEL": text}))
			if got := r.LogLevel("LOG_LEVEL"); got != want || r.Err() != nil {
				t.Errorf("got %v, %v; want %v", got, r.Err(), want)
			}
		})
	}
}
