// Command walkthrough uses the service on the local stack as a person and a job
// runner would, over HTTP, and shows every request and answer. It ends with
// status 1 at the first answer that is not as promised.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/userapikey/service/localstack/deployed"
)

// requestTimeout is above what API Gateway waits for a function (29 s).
const requestTimeout = 35 * time.Second

func main() {
	envFile := flag.String("env", "build/local.env", "`file` with the addresses of the running stack")
	startedAt := flag.Float64("started-at", 0, "the instant that the wait for the first job is counted from, in Unix `seconds`")
	flag.Parse()
	if err := run(os.Stdout, *envFile, *startedAt, noticesWithin); err != nil {
		fmt.Fprintln(os.Stderr, "walk-through:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, envFile string, startedAt float64, patience time.Duration) error {
	env, err := readEnv(envFile)
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: requestTimeout}
	person := owner{
		AccountID: "account-" + suffix(),
		IAMID:     "IBMid-" + suffix(),
		Username:  "ada@example.com",
	}
	script := &script{
		conversation: &conversation{out: out, client: client, apiURL: env["API_URL"]},
		owner:        person,
		aws:          deployed.AWS{Env: env, Client: client},
	}
	if script.user, err = fetchToken(client, env["ISSUER_URL"], person, "Administrator"); err != nil {
		return err
	}
	if script.runner, err = fetchToken(client, env["ISSUER_URL"], person, "JobRunner"); err != nil {
		return err
	}
	script.onFirstJob = func() {
		if startedAt > 0 {
			seconds := float64(time.Now().UnixMilli())/1000 - startedAt
			fmt.Fprintf(out, "\n   The first job was authorized %.1f s after the start.\n", seconds)
		}
	}
	if script.notices.subscription, err = script.aws.Subscribe(context.Background(), person.IAMID); err != nil {
		return err
	}
	script.notices.patience = patience
	script.notices.changes = map[int64]deployed.Notice{}
	return errors.Join(script.play(), script.notices.subscription.Close(context.Background()))
}

// suffix makes the owner of this run another one than that of any run before.
func suffix() string { return strings.ToLower(rand.Text()[:10]) }

func readEnv(path string) (map[string]string, error) {
	env, err := deployed.ReadEnv(path)
	if err != nil {
		return nil, fmt.Errorf("the local stack is not running; start it with `make up` or `make run` (%w)", err)
	}
	for _, name := range []string{"API_URL", "ISSUER_URL", "AWS_ENDPOINT_URL", "TABLE_NAME", "EVENT_BUS_NAME", "SWEEP_FUNCTION"} {
		if env[name] == "" {
			return nil, fmt.Errorf("%s has no %s", path, name)
		}
	}
	return env, nil
}
