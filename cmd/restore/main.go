// Command restore brings keys to what their secrets show, after the table was
// restored to an instant (docs/deploy.md): before any function sees the table, and
// with the rights of whoever runs it, so that no function needs them.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/function"
	"github.com/userapikey/service/shared/function/clock"
	"github.com/userapikey/service/shared/lifecycle"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// operator is who changes keys here.
var operator = apikey.Actor{Kind: apikey.ActorOperator, ID: "restore"}

func run(ctx context.Context, args []string, getenv func(string) string, output, log io.Writer) error {
	flags := flag.NewFlagSet("restore", flag.ContinueOnError)
	flags.SetOutput(log)
	table := flags.String("table", "", "the restored table")
	prefix := flags.String("prefix", "", "the beginning of the secrets' names: user-api-key/<stack>")
	to := flags.String("to", "", "the instant that the table was restored to, such as 2026-11-02T16:45:00Z")
	apply := flags.Bool("apply", false, "make the changes; without it, they are only counted")
	writes := flags.String("writes", "20", "how many writes to Secrets Manager a second")
	if err := flags.Parse(args); err != nil {
		return err
	}
	at, err := time.Parse(time.RFC3339, *to)
	if err != nil || at.After(time.Now()) {
		return errors.New("-to must be the instant in the past that the table was restored to, such as 2026-11-02T16:45:00Z")
	}
	if *table == "" || *prefix == "" {
		return errors.New("-table and -prefix must name the restored table and the secrets of its keys")
	}
	given := map[string]string{"TABLE_NAME": *table, "SECRET_PREFIX": *prefix, "SECRET_WRITES_PER_SECOND": *writes, "LOG_LEVEL": "warn"}
	env := function.New(func(name string) string {
		if value, ok := given[name]; ok {
			return value
		}
		return getenv(name)
	}, log, time.Now, rand.Reader)
	for _, name := range []string{"AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		env.Required(name)
	}
	keys := clock.Keys(env)
	if err := env.Err(); err != nil {
		return err
	}
	done, err := keys.AfterRestoreOfAll(ctx, operator, at, *apply, func(sofar lifecycle.AllRestored) {
		fmt.Fprintf(output, "  %d users looked at\n", sofar.Rings)
	})
	return errors.Join(err, tell(output, done, *apply))
}

// tell is an error unless every ring was compared.
func tell(output io.Writer, done lifecycle.AllRestored, applied bool) error {
	deleted, phasedOut := "deleted", "phased out"
	if !applied {
		deleted, phasedOut = "to delete", "to phase out"
	}
	fmt.Fprintf(output, "%d users looked at: %d keys %s, %d %s.\n", done.Rings, done.Deleted, deleted, done.PhasedOut, phasedOut)
	if done.Failed > 0 {
		return fmt.Errorf("%d users could not be compared with their secrets; run it again", done.Failed)
	}
	if !applied {
		fmt.Fprintln(output, "Nothing was changed; -apply does it.")
	}
	return nil
}
