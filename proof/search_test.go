package proof_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/userapikey/service/proof"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/store/storetest"
)

// secretOf are the bytes of a new credential's secret and the credential.
func secretOf(t *testing.T) (secret []byte, credential string) {
	t.Helper()
	id, err := apikey.NewUUID(time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	secret = []byte(rand.Text() + rand.Text())[:32]
	made, err := apikey.NewCredential(storetest.NewOwner(t).Locator(), id, strings.NewReader(string(secret)))
	if err != nil {
		t.Fatal(err)
	}
	return secret, made.Reveal()
}

func TestPlantedCredentialIsFoundInEveryForm(t *testing.T) {
	secret, credential := secretOf(t)
	part := credential[strings.LastIndexByte(credential, '_')+1:]
	for name, planted := range map[string]string{
		"the credential":              credential,
		"without its checksum":        credential[:len(credential)-6],
		"its secret part":             part,
		"in a JSON text":              fmt.Sprintf(`{"SecretString":%q}`, credential),
		"in a text that was escaped":  url.QueryEscape(`{"a":"` + credential + `"}`),
		"in hex":                      hex.EncodeToString([]byte(credential)),
		"in HEX":                      fmt.Sprintf("%X", credential),
		"in base64":                   base64.StdEncoding.EncodeToString([]byte(credential)),
		"in base64 with two before":   base64.StdEncoding.EncodeToString([]byte(`{"` + credential)),
		"in base64url with one after": base64.RawURLEncoding.EncodeToString([]byte(credential + `"`)),
		"the secret's bytes":          string(secret),
		"its bytes in hex":            hex.EncodeToString(secret),
		"its bytes in base64":         base64.StdEncoding.EncodeToString(secret),
		"its bytes in an item":        base64.StdEncoding.EncodeToString(append([]byte{0, 1, 2, 3}, secret...)),
	} {
		if err := proof.Search(credential, map[string]string{"a log": "before " + planted + " after"}); err == nil {
			t.Errorf("not found: %s", name)
		}
	}
}

func TestNothingIsFoundWhereNothingIs(t *testing.T) {
	_, credential := secretOf(t)
	_, other := secretOf(t)
	parsed, err := apikey.ParseCredential(credential)
	if err != nil {
		t.Fatal(err)
	}
	digest := parsed.Digest()
	harmless := map[string]string{
		"another's":           other,
		"its public part":     credential[:strings.LastIndexByte(credential, '_')],
		"what the ring keeps": string(digest[:]) + base64.StdEncoding.EncodeToString(digest[:]),
		"redacted":            apikey.Redact("the credential is " + credential),
	}
	if err := proof.Search(credential, harmless); err != nil {
		t.Error(err)
	}
}
