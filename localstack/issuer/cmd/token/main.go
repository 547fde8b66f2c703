// Command token prints a bearer token of the local stack's issuer.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	requestTimeout = 10 * time.Second
	maxAnswerBytes = 64 << 10
)

var errNotRunning = errors.New("the local stack is not running; start it with `make up` or `make run`")

// request is the body of the issuer's POST /token.
type request struct {
	IAMID     string   `json:"iam_id"`
	Account   account  `json:"account"`
	Username  string   `json:"preferred_username"`
	Roles     roleList `json:"roles"`
	Audience  string   `json:"aud"`
	Algorithm string   `json:"alg"`
	ExpiresIn int64    `json:"expires_in"` // seconds; negative for a token that has expired
}

type account struct {
	ID string `json:"bss"`
}

// roleList is a flag that may be repeated and may hold several, with commas
// between them. A role is put in the token as it is, known or not.
type roleList []string

func (l *roleList) String() string { return strings.Join(*l, ",") }

func (l *roleList) Set(value string) error {
	*l = append(*l, strings.Split(value, ",")...)
	return nil
}

func main() {
	executable, err := os.Executable()
	if err == nil {
		err = run(os.Args[1:], os.Stdout, os.Getenv("ISSUER_URL"), filepath.Join(filepath.Dir(executable), "local.env"))
	}
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "token:", err)
		os.Exit(1)
	}
}

// run prints a token. The issuer is the one of the flag, else of the
// environment, else of the running stack, which has written its env file.
func run(arguments []string, out io.Writer, environmentIssuer, envFile string) error {
	var wanted request
	flags := flag.NewFlagSet("token", flag.ContinueOnError)
	flags.StringVar(&wanted.IAMID, "iam-id", "IBMid-5000LOCAL1", "IAM `id` of the user")
	flags.StringVar(&wanted.Account.ID, "account", "account-1", "`id` of the account")
	flags.StringVar(&wanted.Username, "username", "ada@example.com", "`name` of the user")
	flags.Var(&wanted.Roles, "role", "`role`, may be repeated or hold several with commas between (default Administrator)")
	flags.StringVar(&wanted.Audience, "audience", "user-api-key", "`name` of the service that the token is for")
	flags.StringVar(&wanted.Algorithm, "alg", "RS256", "how it is signed: RS256, ES256 or EdDSA")
	lifetime := flags.Duration("expires-in", time.Hour, "how long it is good, negative for one that has expired")
	issuer := flags.String("issuer", "", "`URL` of the issuer (default $ISSUER_URL, else the running local stack's)")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is not understood; see -help", flags.Arg(0))
	}
	if len(wanted.Roles) == 0 {
		wanted.Roles = roleList{"Administrator"}
	}
	wanted.ExpiresIn = int64(*lifetime / time.Second)

	url, err := issuerURL(*issuer, environmentIssuer, envFile)
	if err != nil {
		return err
	}
	token, err := fetch(url, wanted)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, token)
	return err
}

func issuerURL(fromFlag, fromEnvironment, envFile string) (string, error) {
	if fromFlag != "" {
		return fromFlag, nil
	}
	if fromEnvironment != "" {
		return fromEnvironment, nil
	}
	content, err := os.ReadFile(envFile)
	if errors.Is(err, os.ErrNotExist) {
		return "", errNotRunning
	}
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(content)) {
		if url, ok := strings.CutPrefix(strings.TrimSpace(line), "ISSUER_URL="); ok {
			return url, nil
		}
	}
	return "", fmt.Errorf("%s has no ISSUER_URL", envFile)
}

func fetch(issuer string, wanted request) (string, error) {
	body, err := json.Marshal(wanted)
	if err != nil {
		return "", err
	}
	client := http.Client{Timeout: requestTimeout}
	response, err := client.Post(strings.TrimRight(issuer, "/")+"/token", "application/json", bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("%w (no issuer answers at %s)", errNotRunning, issuer)
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct {
		Token       string `json:"access_token"`
		Description string `json:"error_description"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswerBytes)).Decode(&answer); err != nil {
		return "", fmt.Errorf("what answers at %s is not the local issuer", issuer)
	}
	if answer.Token == "" {
		return "", fmt.Errorf("the issuer refused: %s", answer.Description)
	}
	return answer.Token, nil
}
