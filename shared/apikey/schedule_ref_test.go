package apikey_test

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/userapikey/service/shared/apikey"
)

const (
	sampleScheduleID  = "team-1_job.2026-11-03"
	sampleScheduleRef = "cpds_r3jQnwABAgMEBQYHCAkKCwwNDg90ZWFtLTFfam9iLjIwMjYtMTEtMDM"
)

const base64urlAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// scheduleRefPattern is the form of every reference: safe in a path, a query and
// a header.
var scheduleRefPattern = regexp.MustCompile(`^cpds_[0-9A-Za-z_-]{28,198}$`)

// The texts were computed by another program, in another language: what runners
// have stored must stay readable.
func TestScheduleRefFormatStaysAsItWas(t *testing.T) {
	for _, c := range []struct {
		name    string
		locator apikey.Locator
		id      string
		text    string
	}{
		{"usual", sampleLocator, sampleScheduleID, sampleScheduleRef},
		{"shortest", ada.Locator(), "a", "cpds_pJzn1xw2wkkgKDsPxKwdLRgzgzhh"},
		{"lowest", apikey.Locator{}, "-", "cpds_jDCtyAAAAAAAAAAAAAAAAAAAAAAt"},
		{
			"longest", apikey.Locator(secretOfOnes[:16]), strings.Repeat("Z", 128),
			"cpds_04t6k_____________________9a" + strings.Repeat("Wlpa", 42) + "Wg",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			ref := apikey.ScheduleRef{Locator: c.locator, ID: c.id}
			if text := ref.String(); text != c.text {
				t.Errorf("written as %s, want %s", text, c.text)
			}
			wantScheduleRef(t, c.text, ref)
		})
	}
}

func TestEveryScheduleRefSurvivesTheRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ref := apikey.ScheduleRef{Locator: apikey.Locator(someBytes(16).Draw(t, "locator")), ID: someScheduleID().Draw(t, "id")}
		text := ref.String()
		if want := scheduleRef(ref.Locator[:], ref.ID); text != want {
			t.Fatalf("written as %s, want %s", text, want)
		}
		if !scheduleRefPattern.MatchString(text) {
			t.Fatalf("%s has not the form of a reference", text)
		}
		wantScheduleRef(t, text, ref)
	})
}

// Each length of id makes another checksum of the same change, and a character
// can lie across the checksum's last byte and the locator's first. Bytes that no
// reference has are tried on one.
func TestEverySingleByteChangeOfAScheduleRefIsRefused(t *testing.T) {
	for length := 1; length <= 128; length++ {
		text := scheduleRef(sampleLocator[:], strings.Repeat("s", length))
		values := []byte(base64urlAlphabet)
		if length == 1 {
			values = everyByte()
		}
		for position := range len(text) {
			for _, value := range values {
				if value == text[position] {
					continue
				}
				changed := []byte(text)
				changed[position] = value
				wantNoScheduleRef(t, string(changed))
			}
		}
	}
}

func TestEveryOmittedAddedOrSwappedCharacterOfAScheduleRefIsRefused(t *testing.T) {
	for i := range len(sampleScheduleRef) {
		before, after := sampleScheduleRef[:i], sampleScheduleRef[i:]
		wantNoScheduleRef(t, before+after[1:])
		for _, added := range []string{"0", "A", "_", "=", " ", "\n", "\r\n", "\x00", "é", after[:1]} {
			wantNoScheduleRef(t, before+added+after)
		}
		if len(after) > 1 && after[0] != after[1] {
			wantNoScheduleRef(t, before+after[1:2]+after[:1]+after[2:])
		}
	}
}

func TestWhatIsNotTheWholeScheduleRefIsRefused(t *testing.T) {
	for length := range len(sampleScheduleRef) {
		wantNoScheduleRef(t, sampleScheduleRef[:length])
		wantNoScheduleRef(t, sampleScheduleRef[len(sampleScheduleRef)-length:])
	}
	body := strings.TrimPrefix(sampleScheduleRef, "cpds_")
	for _, text := range []string{
		sampleScheduleRef + "\n", "\n" + sampleScheduleRef, sampleScheduleRef + " ", " " + sampleScheduleRef,
		sampleScheduleRef + "=", sampleScheduleRef + "==", sampleScheduleRef + sampleScheduleRef,
		"CPDS_" + body, "cpdr_" + body, "cpdk_" + body, body, "cpds_", "cpds_" + strings.Repeat("A", 10_000),
		sampleText, apikey.NewRunRef(sampleLocator, "job-1", "run-1").String(), sampleScheduleID,
	} {
		wantNoScheduleRef(t, text)
	}
}

// The other base64 alphabet, and bits beyond the last byte, would make two texts
// of one reference.
func TestAScheduleRefHasOneText(t *testing.T) {
	ref := apikey.ScheduleRef{Locator: apikey.Locator(secretOfOnes[:16]), ID: "ab"}
	text := ref.String()
	if other := strings.NewReplacer("-", "+", "_", "/").Replace(text[5:]); other == text[5:] {
		t.Fatal("this reference has no character that the alphabets differ in")
	} else {
		wantNoScheduleRef(t, "cpds_"+other)
	}
	last := strings.IndexByte(base64urlAlphabet, text[len(text)-1])
	for surplus := 1; surplus < 4; surplus++ { // 22 bytes leave two bits over
		wantNoScheduleRef(t, text[:len(text)-1]+base64urlAlphabet[last+surplus:last+surplus+1])
	}
}

func TestAScheduleRefOfNoScheduleIDIsRefusedThoughItsChecksumIsRight(t *testing.T) {
	for _, id := range []string{
		"", "a/b", "../ring", "a b", "a\x00", "a\n", "é", "a\xff", "a~", "a#b", strings.Repeat("x", 129), strings.Repeat("x", 500),
	} {
		wantNoScheduleRef(t, scheduleRef(sampleLocator[:], id))
	}
	wantNoScheduleRef(t, scheduleRef(sampleLocator[:15], ""))
	wantNoScheduleRef(t, scheduleRef(nil, ""))
}

// scheduleRef is the format once more.
func scheduleRef(locator []byte, id string) string {
	named := append(append([]byte{}, locator...), id...)
	sum := make([]byte, 4)
	binary.BigEndian.PutUint32(sum, crc32.ChecksumIEEE(named))
	return "cpds_" + strings.TrimRight(base64.URLEncoding.EncodeToString(append(sum, named...)), "=")
}

func everyByte() (all []byte) {
	for value := range 256 {
		all = append(all, byte(value))
	}
	return all
}

func someScheduleID() *rapid.Generator[string] {
	return rapid.StringMatching(`[A-Za-z0-9._-]{1,128}`).Filter(apikey.IsScheduleID)
}

func wantScheduleRef(t rapid.TB, text string, want apikey.ScheduleRef) {
	t.Helper()
	if ref, err := apikey.ParseScheduleRef(text); err != nil || ref != want {
		t.Errorf("%s: got %+v, %v; want %+v", text, ref, err, want)
	}
}

func wantNoScheduleRef(t *testing.T, text string) {
	t.Helper()
	if ref, err := apikey.ParseScheduleRef(text); err == nil || ref != (apikey.ScheduleRef{}) {
		t.Errorf("%q: got %+v, %v", text, ref, err)
	}
}
