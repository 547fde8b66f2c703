// Package deployed knows what a client needs of a deployment: its addresses and
// names, as its env file has them, and tokens of the local issuer.
package deployed

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

const maxAnswerBytes = 1 << 20

// ReadEnv reads a file of lines such as API_URL=https://…, which `make up`
// writes. It answers an error that wraps fs.ErrNotExist when there is no file.
func ReadEnv(path string) (map[string]string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	env := map[string]string{}
	for line := range strings.Lines(string(content)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			env[name] = value
		}
	}
	return env, nil
}

// Claims are a user's, by the names that template.yaml expects unless told
// otherwise.
func Claims(accountID, iamID, username string, roles ...string) map[string]any {
	return map[string]any{
		"iam_id":             iamID,
		"account":            map[string]string{"bss": accountID},
		"preferred_username": username,
		"roles":              roles,
	}
}

// Token is a bearer token of the local issuer, which signs whatever claims it is
// given.
func Token(ctx context.Context, client *http.Client, issuerURL string, claims map[string]any) (string, error) {
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(issuerURL, "/")+"/token", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return "", fmt.Errorf("the local issuer gives no token; has the stack ended? `make up` starts it (%w)", err)
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct {
		Token string `json:"access_token"`
	}
	err = json.NewDecoder(io.LimitReader(response.Body, maxAnswerBytes)).Decode(&answer)
	if err != nil || answer.Token == "" {
		return "", fmt.Errorf("the local issuer gives no token; %s answered %s", issuerURL, response.Status)
	}
	return answer.Token, nil
}
