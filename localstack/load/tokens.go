package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
)

// person is somebody whose token is wanted.
type person struct {
	number    int // of the owner, from 1; 0 is the job runner
	role      string
	accountID string
	iamID     string
}

// tokenSource answers a bearer token of a person.
type tokenSource func(context.Context, person) (string, error)

// fromIssuer asks an issuer that signs what it is asked to sign.
func fromIssuer(client *http.Client, issuerURL string) tokenSource {
	return func(ctx context.Context, p person) (string, error) {
		claims, err := json.Marshal(map[string]any{
			"iam_id":             p.iamID,
			"account":            map[string]string{"bss": p.accountID},
			"preferred_username": "load@example.com",
			"roles":              []string{p.role},
		})
		if err != nil {
			return "", err
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(issuerURL, "/")+"/token", bytes.NewReader(claims))
		if err != nil {
			return "", err
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := client.Do(request)
		if err != nil {
			return "", fmt.Errorf("no token: %w", err)
		}
		defer func() { _ = response.Body.Close() }()
		var answer struct {
			Token string `json:"access_token"`
		}
		err = json.NewDecoder(io.LimitReader(response.Body, maxAnswerBytes)).Decode(&answer)
		if err != nil || answer.Token == "" {
			return "", fmt.Errorf("no token: the issuer %s answered %s", issuerURL, response.Status)
		}
		return answer.Token, nil
	}
}

// fromCommand runs a command of the person at the keyboard.
func fromCommand(line string) tokenSource {
	return func(ctx context.Context, p person) (string, error) {
		command := exec.CommandContext(ctx, "sh", "-c", line) //nolint:gosec // the person who runs this wrote it
		command.Env = append(command.Environ(), "LOAD_ROLE="+p.role, "LOAD_OWNER="+strconv.Itoa(p.number))
		output, err := command.Output()
		if failed, ok := errors.AsType[*exec.ExitError](err); ok {
			return "", fmt.Errorf("the token command for %s %d: %w: %s", p.role, p.number, err, bytes.TrimSpace(failed.Stderr))
		}
		if err != nil {
			return "", err
		}
		token := strings.TrimSpace(string(output))
		// A text that breaks the header would be shown in an error.
		if token == "" || strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }) {
			return "", fmt.Errorf("the token command for %s %d printed no token, or more than one", p.role, p.number)
		}
		return token, nil
	}
}
