package proof

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"unicode"

	"github.com/userapikey/service/shared/apikey"
)

// Search looks for the credential in texts that must not hold it: its secret
// part, as it is in the text form and as the bytes that this stands for, both
// also in base64 and hex. It tells the first place where it is.
func Search(credential string, texts map[string]string) error {
	forms, err := formsOf(credential)
	if err != nil {
		return err
	}
	for place, text := range texts {
		for form, sought := range forms {
			if strings.Contains(text, sought) {
				return fmt.Errorf("a credential is told: %s, %s", place, form)
			}
		}
	}
	return nil
}

func formsOf(credential string) (map[string]string, error) {
	if _, err := apikey.ParseCredential(credential); err != nil {
		return nil, err
	}
	secret := credential[strings.LastIndexByte(credential, '_')+1:]
	// The six last characters are the checksum.
	bare := secret[:len(secret)-6]
	raw := secretBytes(bare)
	forms := map[string]string{"its secret part": bare, "its secret's bytes": string(raw[:])}
	for name, bytes := range map[string][]byte{"its secret part": []byte(bare), "its secret's bytes": raw[:]} {
		forms[name+" in hex"] = hex.EncodeToString(bytes)
		forms[name+" in HEX"] = strings.ToUpper(hex.EncodeToString(bytes))
		// What is encoded together with a text before it comes out in one of three
		// ways; their ends depend on the neighbours.
		for shift := range 3 {
			whole := base64.StdEncoding.EncodeToString(append(make([]byte, shift), bytes...))
			core := whole[(shift*8+5)/6 : (shift+len(bytes))*8/6]
			forms[fmt.Sprintf("%s in base64 (%d)", name, shift)] = core
			forms[fmt.Sprintf("%s in base64url (%d)", name, shift)] = strings.NewReplacer("+", "-", "/", "_").Replace(core)
		}
	}
	return forms, nil
}

// secretBytes are what 43 digits of base62 stand for.
func secretBytes(digits string) (raw [32]byte) {
	// Package big has the two cases of digits the other way round.
	number, _ := new(big.Int).SetString(strings.Map(swapCase, digits), 62)
	number.FillBytes(raw[:])
	return raw
}

func swapCase(r rune) rune {
	if unicode.IsUpper(r) {
		return unicode.ToLower(r)
	}
	return unicode.ToUpper(r)
}
