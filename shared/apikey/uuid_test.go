package apikey_test

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"github.com/userapikey/service/shared/apikey"
)

// The example of RFC 9562, appendix A.6.
func TestUUIDIsThatOfTheStandard(t *testing.T) {
	const want = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
	now := time.Date(2022, 2, 22, 14, 22, 22, 0, time.FixedZone("-05:00", -5*60*60))
	for name, random := range map[string]string{
		"random as in the example":               "\x0c\xc3\x18\xc4\xdc\x0c\x0c\x07\x39\x8f",
		"random where version and variant stand": "\xfc\xc3\xd8\xc4\xdc\x0c\x0c\x07\x39\x8f",
	} {
		t.Run(name, func(t *testing.T) {
			id, err := apikey.NewUUID(now, strings.NewReader(random))
			if err != nil || id.String() != want {
				t.Errorf("got %v, %v; want %s", id, err, want)
			}
			if !id.Time().Equal(now) || id.Time().Location() != time.UTC {
				t.Errorf("its time is %v, want %v", id.Time(), now)
			}
		})
	}
}

func TestEveryUUIDSurvivesTheRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.UnixMilli(rapid.Int64Range(0, 1<<48-1).Draw(t, "milliseconds"))
		id, err := apikey.NewUUID(now, bytes.NewReader(someBytes(10).Draw(t, "random")))
		if err != nil {
			t.Fatal(err)
		}
		if !id.Time().Equal(now) {
			t.Errorf("%v was made at %v, want %v", id, id.Time(), now)
		}
		if id[6]>>4 != 7 || id[8]>>6 != 0b10 {
			t.Errorf("%v is not of version 7", id)
		}
		if parsed, err := apikey.ParseUUID(id.String()); err != nil || parsed != id {
			t.Errorf("%v was parsed to %v, %v", id, parsed, err)
		}
	})
}

func TestUUIDsAreInTheOrderOfTheirTimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		earlier := rapid.Int64Range(0, 1<<48-2).Draw(t, "earlier")
		later := rapid.Int64Range(earlier+1, 1<<48-1).Draw(t, "later")
		// Random bytes that would turn the order, if they could.
		first, _ := apikey.NewUUID(time.UnixMilli(earlier), bytes.NewReader(bytes.Repeat([]byte{0xff}, 10)))
		second, _ := apikey.NewUUID(time.UnixMilli(later), bytes.NewReader(make([]byte, 10)))
		if bytes.Compare(first[:], second[:]) >= 0 || first.String() >= second.String() {
			t.Errorf("%v is not before %v", first, second)
		}
	})
}

func TestUUIDCutsItsTimeToMilliseconds(t *testing.T) {
	id, err := apikey.NewUUID(noon.Add(2*time.Millisecond-1), bytes.NewReader(make([]byte, 10)))
	if want := noon.Add(time.Millisecond); err != nil || !id.Time().Equal(want) {
		t.Errorf("got %v, %v; want %v", id.Time(), err, want)
	}
}

func TestNoUUIDIsMadeWithoutRandom(t *testing.T) {
	for name, random := range map[string]io.Reader{
		"none":       strings.NewReader(""),
		"a byte few": bytes.NewReader(make([]byte, 9)),
		"broken":     iotest.ErrReader(io.ErrClosedPipe),
	} {
		t.Run(name, func(t *testing.T) {
			if id, err := apikey.NewUUID(noon, random); err == nil || id != (apikey.UUID{}) {
				t.Errorf("got %v, %v", id, err)
			}
		})
	}
}

func TestParseUUIDAcceptsNothingButItsOwnText(t *testing.T) {
	const good = "0193b2d4-a5f6-7c8d-9e0f-1a2b3c4d5e6f"
	if id, err := apikey.ParseUUID(good); err != nil || id != sampleID {
		t.Fatalf("got %v, %v", id, err)
	}
	for name, text := range map[string]string{
		"empty":              "",
		"cut off":            good[:35],
		"extended":           good + "0",
		"with a line break":  good + "\n",
		"capitals":           strings.ToUpper(good),
		"one capital":        good[:35] + "F",
		"braces":             "{" + good + "}",
		"a URN":              "urn:uuid:" + good,
		"no hyphens":         strings.ReplaceAll(good, "-", ""),
		"a hyphen moved":     "0193b2d-4a5f6-7c8d-9e0f-1a2b3c4d5e6f",
		"a hyphen too many":  "0193b2d4-a5f6-7c8d-9e0f-1a2b-c4d5e6f",
		"underscores":        strings.ReplaceAll(good, "-", "_"),
		"no digit":           good[:35] + "g",
		"blanks":             strings.Repeat(" ", 36),
		"beyond ASCII":       good[:34] + "é",
		"version 4":          good[:14] + "4" + good[15:],
		"version 8":          good[:14] + "8" + good[15:],
		"variant of the NCS": good[:19] + "7" + good[20:],
		"variant Microsoft":  good[:19] + "c" + good[20:],
		"nil":                "00000000-0000-0000-0000-000000000000",
		"max":                "ffffffff-ffff-ffff-ffff-ffffffffffff",
	} {
		t.Run(name, func(t *testing.T) {
			if id, err := apikey.ParseUUID(text); err == nil || id != (apikey.UUID{}) {
				t.Errorf("%q was parsed to %v, %v", text, id, err)
			}
		})
	}
}
