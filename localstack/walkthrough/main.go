// Command walkthrough uses the service on the local stack as a person and a job
// runner would, over HTTP, and shows every request and answer. It ends with
// status 1 at the first answer that is not as promised.
package main

import (
	"crypto/rand"
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
	if err := run(os.Stdout, *envFile, *startedAt); err != nil {
		fmt.Fprintln(os.Stderr, "walk-through:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, envFile string, startedAt float64) error {
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
	return script.play()
}

// suffix makes the owner of this run another one than that of any run before.
func suffix() string { return strings.ToLower(rand.Text()[:10]) }

func readEnv(path string) (map[string]string, error) {
	env, err := deployed.ReadEnv(path)
	if err != nil {
		return nil, fmt.Errorf("the local stack is not running (%w)", err)
	}
	for _, name := range []string{"API_URL", "ISSUER_URL"} {
		if env[name] == "" {
			return nil, fmt.Errorf("%s has no %s", path, name)
		}
	}
	return env, nil
}
