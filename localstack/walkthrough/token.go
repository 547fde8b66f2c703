package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/userapikey/service/localstack/deployed"
)

// token is a bearer token of the local issuer. It shows itself abbreviated.
type token struct{ value, role string }

func (t token) String() string { return fmt.Sprintf("%.8s... (%s)", t.value, t.role) }

// fetchToken asks the local issuer for a token of a user with a role.
func fetchToken(client *http.Client, issuerURL string, user owner, role string) (token, error) {
	claims := deployed.Claims(user.AccountID, user.IAMID, user.Username, role)
	value, err := deployed.Token(context.Background(), client, issuerURL, claims)
	return token{value: value, role: role}, err
}
