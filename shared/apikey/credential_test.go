package apikey_test

import (
	"bytes"
	"crypto/sha256"
	"hash/crc32"
	"io"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/userapikey/service/shared/apikey"
)

var (
	sampleLocator = apikey.Locator{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	sampleID      = apikey.KeyID{0x01, 0x93, 0xb2, 0xd4, 0xa5, 0xf6, 0x7c, 0x8d, 0x9e, 0x0f, 0x1a, 0x2b, 0x3c, 0x4d, 0x5e, 0x6f}
	sampleSecret  = [32]byte{
		0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
		16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
	}
	secretOfOnes = [32]byte(bytes.Repeat([]byte{0xff}, 32))
)

// sampleText is the credential of the three above.
const sampleText = "cpdk_003aUlTJC7tjlCTQj2uNU2uuP2RK4hIJt9Op2DXikm7_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf4PC1ty"

// The texts were computed by another program, in another language: what users
// have stored must stay readable.
func TestCredentialFormatStaysAsItWas(t *testing.T) {
	for _, c := range []struct {
		name    string
		locator apikey.Locator
		id      apikey.KeyID
		secret  [32]byte
		text    string
	}{
		{"a secret of all kinds of bytes", sampleLocator, sampleID, sampleSecret, sampleText},
		{
			"a secret of zeros", sampleLocator, sampleID, [32]byte{},
			"cpdk_003aUlTJC7tjlCTQj2uNU2uuP2RK4hIJt9Op2DXikm7_000000000000000000000000000000000000000000043asHy",
		},
		{
			"a secret of ones", sampleLocator, sampleID, secretOfOnes,
			"cpdk_003aUlTJC7tjlCTQj2uNU2uuP2RK4hIJt9Op2DXikm7_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp12A5m54",
		},
		{
			"the lowest of all", apikey.Locator{}, apikey.KeyID{6: 0x70, 8: 0x80}, [32]byte{},
			"cpdk_000000000000000000000000000002dwHTRTFRxWLTM_00000000000000000000000000000000000000000003LKo0J",
		},
		{
			"the highest of all", apikey.Locator(secretOfOnes[:16]),
			apikey.KeyID{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xbf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, secretOfOnes,
			"cpdk_yhjskwdA6OZ1AL1YmHWZWm8LLG7Hjkspx8ViVouJAUh_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp12Iy33q",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if text := newCredential(t, c.locator, c.id, c.secret).Reveal(); text != c.text {
				t.Errorf("encoded as %s, want %s", text, c.text)
			}
			wantParsed(t, c.text, c.locator, c.id, c.secret)
		})
	}
}

func TestEveryCredentialSurvivesTheRoundTrip(t *testing.T) {
	pattern := regexp.MustCompile("^(?:" + apikey.CredentialPattern + ")$")
	rapid.Check(t, func(t *rapid.T) {
		locator := apikey.Locator(someBytes(16).Draw(t, "locator"))
		id := someID().Draw(t, "id")
		secret := [32]byte(someBytes(32).Draw(t, "secret"))
		text := newCredential(t, locator, id, secret).Reveal()
		if want := encode(append(locator[:], id[:]...), secret[:]); text != want {
			t.Fatalf("encoded as %s, want %s", text, want)
		}
		if len(text) != apikey.CredentialLength || !pattern.MatchString(text) {
			t.Fatalf("%s has not the form of a credential", text)
		}
		wantParsed(t, text, locator, id, secret)
	})
}

func TestNewCredentialTakesItsSecretFromRandomAlone(t *testing.T) {
	random := bytes.NewReader(append(sampleSecret[:], "more"...))
	credential, err := apikey.NewCredential(sampleLocator, sampleID, iotest.OneByteReader(random))
	if err != nil || credential.Reveal() != sampleText {
		t.Errorf("got %s, %v", credential.Reveal(), err)
	}
	if rest, _ := io.ReadAll(random); string(rest) != "more" {
		t.Errorf("left %q of random", rest)
	}
}

func TestNoCredentialIsMadeWithoutRandom(t *testing.T) {
	for name, random := range map[string]io.Reader{
		"none":       strings.NewReader(""),
		"a byte few": bytes.NewReader(sampleSecret[:31]),
		"broken":     iotest.ErrReader(io.ErrClosedPipe),
	} {
		t.Run(name, func(t *testing.T) {
			credential, err := apikey.NewCredential(sampleLocator, sampleID, random)
			if err == nil || !credential.IsZero() {
				t.Errorf("got %s, %v", credential.Reveal(), err)
			}
		})
	}
}

func TestTheZeroCredentialHasNoText(t *testing.T) {
	var none apikey.Credential
	if text := none.Reveal(); text != "" || !none.IsZero() {
		t.Errorf("got %q", text)
	}
}

func TestDigestsAreEqualOnlyWhenEveryBitIs(t *testing.T) {
	digest := newCredential(t, sampleLocator, sampleID, sampleSecret).Digest()
	if again := newCredential(t, sampleLocator, sampleID, sampleSecret).Digest(); !digest.Equal(again) {
		t.Error("the digests of one secret differ")
	}
	for bit := range len(digest) * 8 {
		other := digest
		other[bit/8] ^= 1 << (bit % 8)
		if digest.Equal(other) {
			t.Errorf("equal though bit %d differs", bit)
		}
	}
}

func wantParsed(t rapid.TB, text string, locator apikey.Locator, id apikey.KeyID, secret [32]byte) {
	t.Helper()
	credential, err := apikey.ParseCredential(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if credential.IsZero() || credential.Reveal() != text {
		t.Errorf("%s was parsed to %s", text, credential.Reveal())
	}
	if diff := cmp.Diff(locator, credential.Locator()); diff != "" {
		t.Errorf("locator (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(id, credential.KeyID()); diff != "" {
		t.Errorf("key id (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(apikey.Digest(sha256.Sum256(secret[:])), credential.Digest()); diff != "" {
		t.Errorf("digest (-want +got):\n%s", diff)
	}
}

// encode is the format once more, by other means.
func encode(address, secret []byte) string {
	return withChecksum("cpdk_" + base62(new(big.Int).SetBytes(address), 43) + "_" + base62(new(big.Int).SetBytes(secret), 43))
}

func withChecksum(text string) string {
	return text + base62(big.NewInt(int64(crc32.ChecksumIEEE([]byte(text)))), 6)
}

// base62 is the number in digits, capitals first; math/big has them last.
func base62(n *big.Int, width int) string {
	digits := strings.Map(func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, n.Text(62))
	return strings.Repeat("0", max(0, width-len(digits))) + digits
}

func someBytes(length int) *rapid.Generator[[]byte] {
	return rapid.SliceOfN(rapid.Byte(), length, length)
}

func someID() *rapid.Generator[apikey.KeyID] {
	return rapid.Custom(func(t *rapid.T) apikey.KeyID {
		id := apikey.KeyID(someBytes(16).Draw(t, "bytes"))
		id[6], id[8] = 0x70|id[6]&0x0f, 0x80|id[8]&0x3f
		return id
	})
}
