package client_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/userapikey/service/client"
	"github.com/userapikey/service/client/clienttest"
)

const (
	secretText  = "cpdk_TheCredentialOfAda_AndItsSecretPart"
	secretToken = "header.payload.signature"
)

func mustNotTell(t *testing.T, how, text string) {
	t.Helper()
	for _, secret := range []string{"TheCredential", "SecretPart", "payload", fmt.Sprintf("%x", "SecretPart"), fmt.Sprint([]byte("SecretPart"))} {
		if strings.Contains(strings.ToLower(text), strings.ToLower(strings.Trim(secret, "[]"))) {
			t.Errorf("%s tells a secret: %s", how, text)
		}
	}
}

func TestNoVerbLogOrEncoderShowsACredential(t *testing.T) {
	credential := client.NewCredential(secretText)
	request := byCredential(secretText)
	type unexported struct {
		credential client.Credential
		request    client.Request
		pointer    *client.Request
	}
	values := []any{
		credential, &credential, request, &request, []client.Request{request}, map[string]any{"request": request},
		unexported{credential, request, &request}, &unexported{credential, request, &request}, struct{ C any }{credential},
	}
	for _, value := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%w", "%T", "%U", "%c", "%10.3v", "%!"} {
			mustNotTell(t, fmt.Sprintf("%s of %T", verb, value), fmt.Sprintf(verb, value))
		}
		var logged bytes.Buffer
		slog.New(slog.NewJSONHandler(&logged, nil)).Info("request", "value", value)
		slog.New(slog.NewTextHandler(&logged, nil)).Info("request", "value", value)
		mustNotTell(t, fmt.Sprintf("slog of %T", value), logged.String())
		asJSON, _ := json.Marshal(value)
		mustNotTell(t, fmt.Sprintf("JSON of %T", value), string(asJSON))
		asXML, _ := xml.Marshal(value)
		mustNotTell(t, fmt.Sprintf("XML of %T", value), string(asXML))
		var asGob bytes.Buffer
		_ = gob.NewEncoder(&asGob).Encode(value)
		mustNotTell(t, fmt.Sprintf("gob of %T", value), asGob.String())
	}
	if (client.Credential{}).IsZero() == credential.IsZero() {
		t.Error("a credential is none")
	}
}

func TestNoVerbShowsWhatAClientOrARunHolds(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		config := w.service.Config()
		config.Tokens = client.StaticToken(secretToken)
		c := newClient(t, config)
		tell := func(values ...any) {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
				for _, value := range values {
					mustNotTell(t, verb, fmt.Sprintf(verb, value))
				}
			}
		}
		tell(config, c)
		w.on("", says(200, asJSON, yes))
		run, err := c.StartRun(t.Context(), byCredential(secretText))
		if err != nil {
			t.Fatal(err)
		}
		tell(run, struct{ Run *client.Run }{run})
		_ = run.Close()
	})
}

// echo answers with what it was sent, in every place that an error may repeat.
func echo(status int, header string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		sent := strings.ReplaceAll(r.Header.Get("Authorization"), `"`, "") + " " + secretText
		w.Header().Set("Content-Type", asProblem)
		w.Header().Set(header, sent)
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"status":%d,"code":%q,"title":%[2]q,"detail":%[2]q,"field":%[2]q,"requestId":%[2]q,"allowed":%[2]q,"reason":%[2]q}`, status, sent)
	}
}

// named is a gateway's answer whose name for the request is what it was sent.
func named(w http.ResponseWriter, r *http.Request) {
	says(502, asJSON, "{}", "X-Amzn-RequestId", r.Header.Get("Authorization"))(w, r)
}

// garbled breaks HTTP with what it was sent, which the network's errors repeat.
func garbled(w http.ResponseWriter, r *http.Request) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = fmt.Fprintf(connection, "%s %s is no HTTP\r\n\r\n", r.Header.Get("Authorization"), secretText)
	_ = connection.Close()
}

func TestNoErrorTellsACredentialOrAToken(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"a problem that repeats them":   echo(400, "X-Amzn-RequestId"),
		"401":                           echo(401, "WWW-Authenticate"),
		"a redirect that repeats them":  echo(302, "Location"),
		"a refusal that repeats them":   says(200, asJSON, `{"allowed":false,"reason":"`+secretText+secretToken+`"}`),
		"a decision that repeats them":  says(200, asJSON, `{"allowed":true,"reason":"`+secretText+secretToken+`"}`),
		"a name for the request":        named,
		"an answer that is no HTTP":     garbled,
		"a connection that breaks":      breaks,
		"a Retry-After that is a token": echo(429, "Retry-After"),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				var logged bytes.Buffer
				config := w.service.Config()
				config.Tokens = client.StaticToken(secretToken)
				config.Logger = slog.New(slog.NewJSONHandler(&logged, nil))
				w.client = newClient(t, config)

				request := byCredential(secretText)
				run := w.start(t.Context(), time.Minute)
				w.on("", answer)
				_, err := w.client.Authorize(t.Context(), request)
				_, batchErr := w.client.AuthorizeBatch(t.Context(), []client.Request{request})
				_, startErr := w.client.StartRun(t.Context(), request)
				w.at(time.Hour)
				for _, err := range []error{err, batchErr, startErr, cause[*client.LeaseLostError](t, run), run.Close()} {
					for ; err != nil; err = errors.Unwrap(err) {
						mustNotTell(t, "the error", fmt.Sprintf("%v %+v %#v %q", err, err, err, err))
					}
				}
				mustNotTell(t, "the log", logged.String())
				if !strings.Contains(logged.String(), "renewal failed") {
					t.Error("the log is empty")
				}
			})
		})
	}
}

func TestAnErrorRepeatsNoMoreThanALine(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.on("", says(400, asProblem, `{"code":"invalid_request","detail":"a\nlevel=ERROR `+strings.Repeat("x", 10_000)+`"}`))
		_, err := w.client.Authorize(t.Context(), job())
		if text := err.Error(); strings.Contains(text, "\n") || len(text) > 500 {
			t.Errorf("%d bytes: %.100q…", len(text), text)
		}
	})
}

// A credential is sent as it was given, and nowhere but in the body.
func TestACredentialIsSentInTheBodyOnly(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		if _, err := w.client.Authorize(t.Context(), byCredential(secretText)); err != nil {
			t.Fatal(err)
		}
		sent := w.service.Requests()[0]
		if !strings.Contains(sent.Body, `"credential":"`+secretText+`"`) {
			t.Errorf("sent %s", sent.Body)
		}
		sent.Body = ""
		mustNotTell(t, "the request", fmt.Sprint([]clienttest.Request{sent}))
	})
}
