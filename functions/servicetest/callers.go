package servicetest

import (
	"context"
	"strings"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
)

// Token is a token of the owner with the role: it says so in plain text, and
// the service believes it.
func Token(owner apikey.Owner, role apikey.Role) string {
	return strings.Join([]string{owner.AccountID, owner.IAMID, string(role)}, "/")
}

// callers are whoever they say that they are.
type callers struct{}

// Principal is whom the token names.
func (callers) Principal(_ context.Context, authorization string) (apikey.Principal, error) {
	parts := strings.Split(strings.TrimPrefix(authorization, "Bearer "), "/")
	if len(parts) != 3 {
		return apikey.Principal{}, &apikey.Error{Code: apikey.CodeUnauthenticated, Detail: "The token is not one of this test's."}
	}
	return apikey.Principal{
		Owner: apikey.Owner{AccountID: parts[0], IAMID: parts[1], Username: parts[1]},
		Roles: []apikey.Role{apikey.Role(parts[2])},
	}, nil
}

var _ httpapi.Authenticator = callers{}
