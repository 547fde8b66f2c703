package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// token is a bearer token of the local issuer. It shows itself abbreviated.
type token struct{ value, role string }

func (t token) String() string { return fmt.Sprintf("%.8s... (%s)", t.value, t.role) }

// fetchToken asks the local issuer for a token of a user with a role.
func fetchToken(client *http.Client, issuerURL string, user owner, role string) (token, error) {
	claims, err := json.Marshal(fields{
		"iam_id":             user.IAMID,
		"account":            fields{"bss": user.AccountID},
		"preferred_username": user.Username,
		"roles":              []string{role},
	})
	if err != nil {
		return token{}, err
	}
	response, err := client.Post(issuerURL+"/token", "application/json", bytes.NewReader(claims))
	if err != nil {
		return token{}, fmt.Errorf("no token: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct {
		Token string `json:"access_token"`
	}
	err = json.NewDecoder(io.LimitReader(response.Body, maxAnswerBytes)).Decode(&answer)
	if err != nil || answer.Token == "" {
		return token{}, fmt.Errorf("no token: the issuer answered %s", response.Status)
	}
	return token{value: answer.Token, role: role}, nil
}
