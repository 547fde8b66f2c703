package issuer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"io"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// algorithms that the issuer signs with, each with a key of its own.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA}

const rsaKeyBits = 2048

// keySet holds the private keys in the order of algorithms.
type keySet []jose.JSONWebKey

func newKeySet(random io.Reader) (keySet, error) {
	var keys keySet
	for _, algorithm := range algorithms {
		private, err := newPrivateKey(algorithm, random)
		if err != nil {
			return nil, fmt.Errorf("make a key for %s: %w", algorithm, err)
		}
		key := jose.JSONWebKey{Key: private, Algorithm: string(algorithm), Use: "sig"}
		thumbprint, err := key.Thumbprint(crypto.SHA256)
		if err != nil {
			return nil, fmt.Errorf("name the key for %s: %w", algorithm, err)
		}
		key.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
		keys = append(keys, key)
	}
	return keys, nil
}

func newPrivateKey(algorithm jose.SignatureAlgorithm, random io.Reader) (any, error) {
	switch algorithm {
	case jose.RS256:
		return rsa.GenerateKey(random, rsaKeyBits)
	case jose.ES256:
		return ecdsa.GenerateKey(elliptic.P256(), random)
	case jose.EdDSA:
		_, private, err := ed25519.GenerateKey(random)
		return private, err
	default:
		return nil, fmt.Errorf("no kind of key is known for %s", algorithm)
	}
}

// public is the set without its private parts, as it is published.
func (k keySet) public() jose.JSONWebKeySet {
	var published jose.JSONWebKeySet
	for _, key := range k {
		published.Keys = append(published.Keys, key.Public())
	}
	return published
}

func (k keySet) signer(algorithm jose.SignatureAlgorithm) (jose.Signer, error) {
	index := slices.Index(algorithms, algorithm)
	if index < 0 {
		return nil, fmt.Errorf("alg must be one of %v, not %q", algorithms, algorithm)
	}
	options := (&jose.SignerOptions{}).WithType("JWT")
	return jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: k[index]}, options)
}
