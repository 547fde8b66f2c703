package apikey_test

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/userapikey/service/shared/apikey"
)

// A changed character is a burst of at most 8 bits, which CRC32 always finds:
// this holds for every credential, not only for the sample.
func TestEverySingleCharacterChangeIsMalformed(t *testing.T) {
	for position := range len(sampleText) {
		for value := range 256 {
			if byte(value) == sampleText[position] {
				continue
			}
			changed := []byte(sampleText)
			changed[position] = byte(value)
			wantMalformed(t, string(changed))
		}
	}
}

func TestEveryOmittedAddedOrSwappedCharacterIsMalformed(t *testing.T) {
	for i := range len(sampleText) {
		before, after := sampleText[:i], sampleText[i:]
		wantMalformed(t, before+after[1:])
		for _, added := range []string{"0", "A", "_", " ", "\x00", "é", after[:1]} {
			wantMalformed(t, before+added+after)
		}
		if len(after) > 1 && after[0] != after[1] {
			wantMalformed(t, before+after[1:2]+after[:1]+after[2:])
		}
	}
}

func TestACharacterBeyondASCIIIsMalformedThoughTheLengthIsRight(t *testing.T) {
	for _, character := range []string{"é", "０", "\u200b", "𝟎"} {
		for i := range len(sampleText) - len(character) + 1 {
			wantMalformed(t, sampleText[:i]+character+sampleText[i+len(character):])
		}
	}
}

func TestWhatIsNotTheWholeCredentialIsMalformed(t *testing.T) {
	for length := range len(sampleText) {
		wantMalformed(t, sampleText[:length])
		wantMalformed(t, sampleText[len(sampleText)-length:])
	}
	for _, text := range []string{
		sampleText + "0", sampleText + "\n", sampleText + "\x00", " " + sampleText, sampleText + " ",
		"Bearer " + sampleText, `"` + sampleText + `"`, sampleText + sampleText, "\ufeff" + sampleText,
	} {
		wantMalformed(t, text)
	}
}

func TestAnotherPrefixIsMalformedThoughItsChecksumIsRight(t *testing.T) {
	body := unchecked(sampleText)[len("cpdk_"):]
	for _, prefix := range []string{"CPDK_", "Cpdk_", "cpdK_", "cpdk-", "cpdk0", "xpdk_", "cpd__", "     "} {
		wantMalformed(t, withChecksum(prefix+body))
	}
}

func TestAnotherSeparatorIsMalformedThoughItsChecksumIsRight(t *testing.T) {
	const at = len("cpdk_") + 43
	for value := range 256 {
		if value != '_' {
			body := []byte(unchecked(sampleText))
			body[at] = byte(value)
			wantMalformed(t, withChecksum(string(body)))
		}
	}
}

func TestAByteThatIsNoDigitIsMalformedThoughTheChecksumIsRight(t *testing.T) {
	for _, position := range []int{5, 20, 47, 49, 70, 91} {
		for value := range 256 {
			if strings.ContainsRune("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", rune(value)) {
				continue
			}
			body := []byte(unchecked(sampleText))
			body[position] = byte(value)
			wantMalformed(t, withChecksum(string(body)))
		}
	}
}

// 43 digits reach a little beyond 2^256. A parser that lost the carry would
// read these as credentials that have another text.
func TestNumbersOf256BitsAndMoreAreMalformedThoughTheChecksumIsRight(t *testing.T) {
	limit := new(big.Int).Lsh(big.NewInt(1), 256)
	highest := strings.Repeat("z", 43)
	address, secret := sampleText[5:48], sampleText[49:92]
	addressNumber := new(big.Int).SetBytes(append(sampleLocator[:], sampleID[:]...))
	secretNumber := new(big.Int).SetBytes(sampleSecret[:])

	for name, parts := range map[string][2]string{
		"secret of 2^256":          {address, base62(limit, 43)},
		"secret beyond it":         {address, base62(new(big.Int).Add(limit, secretNumber), 43)},
		"highest secret":           {address, highest},
		"address beyond 2^256":     {base62(new(big.Int).Add(limit, addressNumber), 43), secret},
		"highest address":          {highest, secret},
		"both beyond":              {base62(new(big.Int).Add(limit, addressNumber), 43), base62(limit, 43)},
		"address of 2^256 exactly": {base62(limit, 43), secret},
	} {
		t.Run(name, func(t *testing.T) {
			wantMalformed(t, withChecksum("cpdk_"+parts[0]+"_"+parts[1]))
		})
	}
}

func TestAKeyIDOfAnotherVersionOrVariantIsMalformedThoughTheChecksumIsRight(t *testing.T) {
	for version := range byte(16) {
		for variant := range byte(4) {
			t.Run(fmt.Sprintf("version %d, variant %02b", version, variant), func(t *testing.T) {
				id := sampleID
				id[6], id[8] = version<<4|id[6]&0x0f, variant<<6|id[8]&0x3f
				text := encode(append(sampleLocator[:], id[:]...), sampleSecret[:])
				if version == 7 && variant == 0b10 {
					wantParsed(t, text, sampleLocator, id, sampleSecret)
					return
				}
				wantMalformed(t, text)
			})
		}
	}
}

// unchecked is the credential without its checksum.
func unchecked(text string) string { return text[:len(text)-6] }

func wantMalformed(t *testing.T, text string) {
	t.Helper()
	credential, err := apikey.ParseCredential(text)
	if !errors.Is(err, apikey.ErrCredentialMalformed) || !credential.IsZero() {
		t.Errorf("%q: got %q, %v", text, credential.Reveal(), err)
	}
}
