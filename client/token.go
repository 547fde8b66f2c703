package client

import (
	"context"
	"errors"
	"strings"
)

// TokenSource gives bearer tokens of a JobRunner or PlatformJobRunner. It is
// asked before every request, by several goroutines at once, and so may keep a
// token for as long as it is good.
type TokenSource interface {
	// Token answers the token alone, without "Bearer". The service has just
	// answered 401 to the token refused: do not answer that one again, but get
	// another. It is empty when nothing was refused. Token must return when ctx
	// ends. Its error becomes part of the client's, so it must not tell secrets.
	Token(ctx context.Context, refused string) (string, error)
}

// TokenFunc is a function as a [TokenSource].
type TokenFunc func(ctx context.Context, refused string) (string, error)

// Token calls f.
func (f TokenFunc) Token(ctx context.Context, refused string) (string, error) { return f(ctx, refused) }

// StaticToken is a source of one token, for short programs and tests.
func StaticToken(token string) TokenSource {
	// A function, because fmt shows of it an address only.
	return TokenFunc(func(context.Context, string) (string, error) { return token, nil })
}

// token asks the source, and answers nothing that would break the header.
func (c *Client) token(ctx context.Context, refused string) (string, error) {
	token, err := c.tokens.Token(ctx, refused)
	switch {
	case err != nil:
		return "", err
	case token == "":
		return "", errors.New("the source's token is empty")
	case !isHeaderText(token) || strings.Contains(token, " "):
		return "", errors.New("the source's token has a character that no token has")
	}
	return token, nil
}
