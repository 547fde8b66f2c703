package apikey_test

import (
	"bytes"
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/userapikey/service/shared/apikey"
)

var (
	ada  = apikey.Owner{AccountID: "acme", IAMID: "IBMid-1", Username: "ada@example.com"}
	user = apikey.Actor{Kind: apikey.ActorUser, ID: "IBMid-1"}
	noon = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)
)

func at(now time.Time) apikey.Command {
	return apikey.Command{Actor: user, Now: now, CorrelationID: "request-1"}
}

// id, digest and material are those of an owner's n-th key.
func id(n int) apikey.KeyID {
	return apikey.KeyID{6: 0x70, 8: 0x80, 14: byte(n >> 8), 15: byte(n)}
}

func digest(n int) apikey.Digest { return apikey.Digest{0: 0xd1, 30: byte(n >> 8), 31: byte(n)} }

func material(n int) apikey.Material {
	return apikey.Material{KeyID: id(n), Digest: digest(n), SecretARN: "arn:secret", VersionID: fmt.Sprintf("version-%d", n)}
}

// ringOf is a ring with so many keys: all but the last are Phased out. They
// were made a minute apart from noon on, and the allowance is full.
func ringOf(t rapid.TB, keys int) apikey.Ring {
	t.Helper()
	ring := apikey.Ring{Owner: ada}
	for n := 1; n <= keys; n++ {
		operation := ring.Rotate
		if n == 1 {
			operation = ring.Create
		}
		next, _, err := operation(at(noon.Add(time.Duration(n-1)*time.Minute)), material(n))
		if err != nil {
			t.Fatalf("key %d: %v", n, err)
		}
		ring = next
		ring.Allowance = apikey.Allowance{}
	}
	return ring
}

// newCredential is the credential with the 32 bytes of secret.
func newCredential(t rapid.TB, locator apikey.Locator, id apikey.KeyID, secret [32]byte) apikey.Credential {
	t.Helper()
	credential, err := apikey.NewCredential(locator, id, bytes.NewReader(secret[:]))
	if err != nil {
		t.Fatal(err)
	}
	return credential
}
