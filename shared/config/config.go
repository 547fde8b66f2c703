// Package config reads a function's environment variables.
package config

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
)

// Reader reads variables and keeps count of what is wrong, so that every
// missing variable is reported at once.
type Reader struct {
	getenv   func(string) string
	problems []string
}

// NewReader reads through getenv, such as os.Getenv.
func NewReader(getenv func(string) string) *Reader { return &Reader{getenv: getenv} }

// Required is the value of a variable that must be set.
func (r *Reader) Required(name string) string {
	value := r.getenv(name)
	if value == "" {
		r.problems = append(r.problems, name+" is not set")
	}
	return value
}

// Optional is the value of a variable, or the fallback when it is not set.
func (r *Reader) Optional(name, fallback string) string {
	if value := r.getenv(name); value != "" {
		return value
	}
	return fallback
}

// Number is the value of a variable as a whole number of at least 0, or the
// fallback when it is not set.
func (r *Reader) Number(name string, fallback int) int {
	text := r.getenv(name)
	if text == "" {
		return fallback
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		r.problems = append(r.problems, name+" is no whole number of at least 0")
	}
	return n
}

// LogLevel is the level that a variable names: debug, info (the default), warn
// or error.
func (r *Reader) LogLevel(name string) slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(r.Optional(name, "info"))); err != nil {
		r.problems = append(r.problems, name+" is not one of debug, info, warn, error")
	}
	return level
}

// Check adds what another part found wrong with its variables.
func (r *Reader) Check(err error) {
	if err != nil {
		r.problems = append(r.problems, err.Error())
	}
}

// Err tells everything that is wrong with the environment; nil is nothing.
func (r *Reader) Err() error {
	if len(r.problems) == 0 {
		return nil
	}
	return fmt.Errorf("environment: %s", strings.Join(r.problems, "; "))
}
