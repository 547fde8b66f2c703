package apikey_test

import (
	"math/big"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/userapikey/service/shared/apikey"
)

// sampleRunRef is of sampleLocator and the bytes from 16 on.
const sampleRunRef = "cpdr_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf2i5H1b"

var sampleRunName = apikey.RunName(sampleSecret[16:])

var runRefPattern = regexp.MustCompile(`^cpdr_[0-9A-Za-z]{49}$`)

// The texts were computed by another program, in another language: what runners
// have stored must stay readable.
func TestRunRefFormatStaysAsItWas(t *testing.T) {
	for _, c := range []struct {
		name string
		ref  apikey.RunRef
		text string
	}{
		{"usual", apikey.RunRef{Locator: sampleLocator, Name: sampleRunName}, sampleRunRef},
		{"lowest", apikey.RunRef{}, "cpdr_00000000000000000000000000000000000000000003O4ELn"},
		{
			"highest", apikey.RunRef{Locator: apikey.Locator(secretOfOnes[:16]), Name: apikey.RunName(secretOfOnes[:16])},
			"cpdr_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp10L3rhP",
		},
		{"of a job's run", apikey.NewRunRef(ada.Locator(), "job-1", "run-1"), "cpdr_6gnq72Og9fb1WjOIrXiMHz9yFszYXVRjwNLgGY8nCt14b8LWd"},
		{"of no job's run", apikey.NewRunRef(ada.Locator(), "", ""), "cpdr_6gnq72Og9fb1WjOIrXiMHwP4ifmO1U34YU7NPN1Sp9U0z2pKl"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if text := c.ref.String(); text != c.text {
				t.Errorf("written as %s, want %s", text, c.text)
			}
			wantRunRef(t, c.text, c.ref)
		})
	}
	if name := apikey.NewRunRef(ada.Locator(), "job-1", "run-1").Name.String(); name != "91d7f332d718290a826286a69f73dd3b" {
		t.Errorf("the run is named %s", name)
	}
}

func TestEveryRunRefSurvivesTheRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ref := apikey.RunRef{Locator: apikey.Locator(someBytes(16).Draw(t, "locator")), Name: apikey.RunName(someBytes(16).Draw(t, "name"))}
		text := ref.String()
		if want := runRef(append(ref.Locator[:], ref.Name[:]...)); text != want {
			t.Fatalf("written as %s, want %s", text, want)
		}
		if !runRefPattern.MatchString(text) {
			t.Fatalf("%s has not the form of a reference", text)
		}
		wantRunRef(t, text, ref)
	})
}

// A run is a job and a run of it: the same pair is the same run, and no other
// pair is, however its characters are moved between the two.
func TestARunIsNamedByItsJobAndItsRun(t *testing.T) {
	part := rapid.StringOfN(rapid.RuneFrom([]rune{'a', '-', '#', 0, 1}), 0, 3, -1)
	rapid.Check(t, func(t *rapid.T) {
		job, run, otherJob, otherRun := part.Draw(t, "job"), part.Draw(t, "run"), part.Draw(t, "other job"), part.Draw(t, "other run")
		one, other := apikey.NewRunRef(sampleLocator, job, run), apikey.NewRunRef(sampleLocator, otherJob, otherRun)
		if same := job == otherJob && run == otherRun; (one == other) != same {
			t.Errorf("%q of %q and %q of %q: %v and %v", run, job, otherRun, otherJob, one, other)
		}
	})
	const text = "job\x00\x00\x00\x00\x00\x00\x00\x07run-123"
	splits := map[apikey.RunRef]int{}
	for at := range len(text) + 1 {
		ref := apikey.NewRunRef(sampleLocator, text[:at], text[at:])
		if earlier, taken := splits[ref]; taken {
			t.Errorf("split at %d and at %d it is the same run", earlier, at)
		}
		splits[ref] = at
	}
}

func TestTwoOwnersRunsAreTwo(t *testing.T) {
	one, other := apikey.NewRunRef(sampleLocator, "job-1", "run-1"), apikey.NewRunRef(ada.Locator(), "job-1", "run-1")
	if one == other || one.String() == other.String() {
		t.Errorf("both are %s", one)
	}
}

func TestEverySingleByteChangeOfARunRefIsRefused(t *testing.T) {
	for position := range len(sampleRunRef) {
		for value := range 256 {
			if byte(value) == sampleRunRef[position] {
				continue
			}
			changed := []byte(sampleRunRef)
			changed[position] = byte(value)
			wantNoRunRef(t, string(changed))
		}
	}
}

func TestEveryOmittedAddedOrSwappedCharacterOfARunRefIsRefused(t *testing.T) {
	for i := range len(sampleRunRef) {
		before, after := sampleRunRef[:i], sampleRunRef[i:]
		wantNoRunRef(t, before+after[1:])
		for _, added := range []string{"0", "A", "_", " ", "\n", "\x00", "é", after[:1]} {
			wantNoRunRef(t, before+added+after)
		}
		if len(after) > 1 && after[0] != after[1] {
			wantNoRunRef(t, before+after[1:2]+after[:1]+after[2:])
		}
	}
}

func TestWhatIsNotTheWholeRunRefIsRefused(t *testing.T) {
	for length := range len(sampleRunRef) {
		wantNoRunRef(t, sampleRunRef[:length])
		wantNoRunRef(t, sampleRunRef[len(sampleRunRef)-length:])
	}
	for _, text := range []string{
		sampleRunRef + "\n", " " + sampleRunRef, sampleRunRef + " ", sampleRunRef + sampleRunRef, "cpdr_" + strings.Repeat("0", 10_000),
		sampleText, sampleScheduleRef,
	} {
		wantNoRunRef(t, text)
	}
	body := strings.TrimPrefix(unchecked(sampleRunRef), "cpdr_")
	for _, prefix := range []string{"CPDR_", "cpdk_", "cpds_", "cpdr-", "cpdr0", "     "} {
		wantNoRunRef(t, withChecksum(prefix+body))
	}
}

// 43 digits reach a little beyond 2^256, and not every byte is a digit.
func TestARunRefOfNo32BytesIsRefusedThoughItsChecksumIsRight(t *testing.T) {
	limit := new(big.Int).Lsh(big.NewInt(1), 256)
	for name, digits := range map[string]string{
		"2^256":       base62(limit, 43),
		"beyond it":   base62(new(big.Int).Add(limit, big.NewInt(12345)), 43),
		"highest":     strings.Repeat("z", 43),
		"a hyphen":    strings.Repeat("0", 42) + "-",
		"a blank":     " " + strings.Repeat("0", 42),
		"NUL":         strings.Repeat("0", 20) + "\x00" + strings.Repeat("0", 22),
		"not ASCII":   strings.Repeat("0", 41) + "é",
		"a separator": strings.Repeat("0", 20) + "_" + strings.Repeat("0", 22),
	} {
		t.Run(name, func(t *testing.T) { wantNoRunRef(t, withChecksum("cpdr_"+digits)) })
	}
}

// runRef is the format once more, by other means.
func runRef(named []byte) string {
	return withChecksum("cpdr_" + base62(new(big.Int).SetBytes(named), 43))
}

func wantRunRef(t rapid.TB, text string, want apikey.RunRef) {
	t.Helper()
	if ref, err := apikey.ParseRunRef(text); err != nil || ref != want {
		t.Errorf("%s: got %+v, %v; want %+v", text, ref, err, want)
	}
}

func wantNoRunRef(t *testing.T, text string) {
	t.Helper()
	if ref, err := apikey.ParseRunRef(text); err == nil || ref != (apikey.RunRef{}) {
		t.Errorf("%q: got %+v, %v", text, ref, err)
	}
}
