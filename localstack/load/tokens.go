package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strconv"
	"strings"

	"github.com/userapikey/service/localstack/deployed"
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
		return deployed.Token(ctx, client, issuerURL, deployed.Claims(p.accountID, p.iamID, "load@example.com", p.role))
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
