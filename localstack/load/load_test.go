package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// played is what a load left behind.
type played struct {
	out    string
	status int
	err    error
	began  time.Time
	took   time.Duration
}

// settingsOf are those of a load that is short and deals with few owners.
func settingsOf(change func(*settings)) settings {
	shares, err := parseMix(defaultMix)
	if err != nil {
		panic(err)
	}
	s := settings{
		apiURL: "http://127.0.0.1:1", issuerURL: "http://127.0.0.1:2", rate: 100, duration: 5 * time.Second,
		owners: 5, inFlight: 20, mix: shares,
	}
	if change != nil {
		change(&s)
	}
	return s
}

// play runs a load against the fake, on a clock of its own.
func play(ctx context.Context, f *fakeService, s settings) played {
	var out strings.Builder
	w := world{out: &out, transport: f, now: time.Now, random: func() string { return "ABCDEFGHIJKLMNOPQRSTUVWXYZ" }}
	p := played{began: time.Now()}
	p.status, p.err = w.run(ctx, func() {}, s)
	p.took = time.Since(p.began)
	p.out = out.String()
	return p
}

// preparation is how many requests precede the load: a view and a schedule of
// each owner, and a decision.
func (s settings) preparation() int { return 2*s.owners + 1 }

// sent are the instants of the load's own requests, from the first one's.
func (f *fakeService) sent(s settings) []time.Duration {
	requests := f.arrived[s.preparation():]
	var instants []time.Duration
	for _, at := range requests {
		instants = append(instants, at.Sub(requests[0]))
	}
	return instants
}

func (f *fakeService) wantNoKeys(t *testing.T) {
	t.Helper()
	for iamID, ring := range f.rings {
		if len(ring.keys) > 0 {
			t.Errorf("%s has keys at the end", iamID)
		}
		if ring.schedule != "" {
			t.Errorf("%s has a schedule at the end", iamID)
		}
	}
}

// row is the line of the table that begins with these words, without its blanks.
func (p played) row(begin string) string {
	for line := range strings.Lines(p.out) {
		if words := strings.Join(strings.Fields(line), " "); strings.HasPrefix(words, begin) {
			return words
		}
	}
	return ""
}

func TestAGoodServiceKeepsEveryPromise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeService("")
		p := play(t.Context(), f, settingsOf(nil))
		if p.status != 0 || p.err != nil {
			t.Fatalf("status %d, %v:\n%s", p.status, p.err, p.out)
		}
		for _, want := range []string{
			"offered      100.0 requests/s, 500 in all\n", "achieved     100.0 answers/s, 500 in 5.0 s\n",
			"   1 s  begun  10", "  ended  100  in flight", "200 key_phased_out", "200 key_deleted", "201", "409 active_key_exists", "delete-one  all", "delete-all  all",
			"Every answer was as promised.", "Deleting the keys of 5 owner(s)",
		} {
			if !strings.Contains(p.out, want) {
				t.Errorf("the output lacks %q:\n%s", want, p.out)
			}
		}
		for _, secret := range []string{"cpdk_", "secret", "Administrator", "JobRunner"} {
			if strings.Contains(p.out, secret) {
				t.Errorf("the output tells %q:\n%s", secret, p.out)
			}
		}
		f.wantNoKeys(t)
	})
}

// Answers overtake each other, and half of what is asked for is a change.
func TestAGoodServiceIsNotBlamedForWhatHappensAtTheSameTime(t *testing.T) {
	for seed := range uint64(10) {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeService("")
			random := rand.New(rand.NewPCG(seed, 0))
			f.takes = func(int) time.Duration { return time.Duration(random.Int64N(int64(200 * time.Millisecond))) }
			p := play(t.Context(), f, settingsOf(func(s *settings) {
				s.mix = mix{decide: 40, view: 10, create: 15, rotate: 15, deleteOne: 10, deleteAll: 10}
			}))
			if p.status != 0 || f.deletes < 20 {
				t.Errorf("status %d, %d deletions:\n%s", p.status, f.deletes, p.out)
			}
			f.wantNoKeys(t)
		})
	}
}

func TestRotationsBeyondTheAllowanceAreExpected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := play(t.Context(), newFakeService(""), settingsOf(func(s *settings) { s.mix = mix{rotate: 1, decide: 1}; s.owners = 2 }))
		if p.status != 0 || !strings.Contains(p.out, "429 rotation_rate_exceeded") {
			t.Errorf("status %d:\n%s", p.status, p.out)
		}
	})
}

func TestEveryBrokenPromiseIsFound(t *testing.T) {
	for breaks, want := range map[string]string{
		"stale":           "decide: an old credential is allowed, though its rotation or deletion was answered before the question",
		"refusal":         "decide: the Active key's credential is refused",
		"contradiction":   "decide: allowed and reason contradict each other",
		"other key":       "decide: the decision names another key than the credential's",
		"other reason":    "decide: an old credential is refused for another reason than that it is Phased out, or deleted",
		"gap":             "decide: an owner with a key has no Active key",
		"old owner":       "decide: the decision names an old key, though its rotation or deletion was answered before the question",
		"old schedule":    "decide: the decision names an old key, though its rotation or deletion was answered before the question",
		"lost schedule":   "decide: a schedule that follows the Active key is refused for another reason than no_active_key",
		"old revision":    "view: a view is older than a change that was answered before",
		"old view":        "view: a view shows an old key as Active",
		"second key":      "create: a second Active key was created",
		"no credential":   "rotate: a new key came without its credential",
		"lavish":          "rotate: an owner got more keys than the allowance",
		"stingy":          "rotate: an owner got fewer keys than the allowance",
		"defect":          "create: the answer is not one of the contract's (IBMid-load-abcdefghij-",
		"no Retry-After":  "create: no Retry-After",
		"revenant":        "decide: an old credential is allowed, though its rotation or deletion was answered before the question",
		"other death":     "decide: an old credential is refused for another reason than that it is Phased out, or deleted",
		"undone deletion": "decide: an owner without a key has an Active key",
		"idle deletion":   "delete-all: a deletion of all keys left the Active one",
		"wrong deletion":  "delete-one: another key was deleted than the one that was named",
		"forgetful":       "delete-one: a Phased out key is not found",
	} {
		t.Run(breaks, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := settingsOf(func(s *settings) {
					s.mix = mix{decide: 60, view: 15, create: 5, rotate: 12, deleteOne: 5, deleteAll: 3}
				})
				p := play(t.Context(), newFakeService(breaks), s)
				if p.status != 1 || p.err != nil || !strings.Contains(p.out, want) {
					t.Errorf("status %d, %v, and no %q:\n%s", p.status, p.err, want, p.out)
				}
			})
		})
	}
}

func TestAGatewayThatIsBusyBreaksNoPromise(t *testing.T) {
	for _, gateway := range []string{"gateway", "emulated gateway"} {
		synctest.Test(t, func(t *testing.T) {
			p := play(t.Context(), newFakeService(gateway), settingsOf(nil))
			if p.status != 0 || !strings.Contains(p.out, "429 ") {
				t.Errorf("%s: status %d:\n%s", gateway, p.status, p.out)
			}
		})
	}
}

// A change whose answer is missing may have been made. It is asked for again
// with its Idempotency-Key, and nothing is concluded before it is answered.
func TestLostAnswersAreAskedForAgain(t *testing.T) {
	for name, loses := range map[string]func(int) (bool, bool){
		"lost":        func(n int) (bool, bool) { return n%3 == 0, false },
		"unavailable": func(n int) (bool, bool) { return false, n%3 == 0 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeService("")
				f.loses = loses
				s := settingsOf(func(s *settings) { s.mix = mix{decide: 66, view: 20, rotate: 10, deleteOne: 2, deleteAll: 2} })
				p := play(t.Context(), f, s)
				made := 0
				for _, ring := range f.rings {
					made += ring.made
				}
				if made >= f.changes {
					t.Errorf("%d changes were asked for and %d made, so none was asked for twice", f.changes, made)
				}
				_, broken, _ := strings.Cut(p.out, "Not as promised:\n")
				for line := range strings.Lines(broken) {
					if strings.Contains(line, "×") && !strings.Contains(line, "no answer: connection lost") {
						t.Errorf("wrongly blamed: %s", line)
					}
				}
				if wantStatus := map[string]int{"lost": 1}[name]; p.status != wantStatus {
					t.Errorf("status %d, want %d:\n%s", p.status, wantStatus, p.out)
				}
			})
		})
	}
}

// Refused at once, a third of the requests: they are no fast answers.
func TestWhatIsNotAnsweredCountsAsSlowerThanAnyAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeService("")
		f.loses = func(n int) (bool, bool) { return n%3 == 0, false }
		p := play(t.Context(), f, settingsOf(func(s *settings) { s.mix = mix{create: 1} }))
		if got := p.row("create all"); got != "create all 500 5.0 ms never never never" {
			t.Errorf("%q:\n%s", got, p.out)
		}
	})
}

func TestRequestsBeginOnScheduleWhateverTheAnswersDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := settingsOf(func(s *settings) { s.rate, s.duration, s.inFlight = 10, 3*time.Second, 100 })
		f := newFakeService("")
		f.takes = func(n int) time.Duration { return time.Duration(n) * 50 * time.Millisecond }
		p := play(t.Context(), f, s)
		var want []time.Duration
		for n := range 30 {
			want = append(want, time.Duration(n)*100*time.Millisecond)
		}
		if got := f.sent(s)[:30]; !slices.Equal(got, want) {
			t.Errorf("requests began at %v:\n%s", got, p.out)
		}
	})
}

// One stall of two seconds is seen in the latency of all twenty requests that
// were due in it, though only one of them was in flight.
func TestAStallIsSeenInEveryRequestThatItHeldUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := settingsOf(func(s *settings) {
			s.rate, s.duration, s.inFlight, s.owners, s.mix = 10, 4*time.Second, 1, 1, mix{decide: 1}
		})
		f := newFakeService("")
		f.takes = func(n int) time.Duration {
			if n == s.preparation()+1 {
				return 2 * time.Second
			}
			return 0
		}
		p := play(t.Context(), f, s)
		if got := p.row("decide all"); got != "decide all 39 0.0 ms 1600 ms 1900 ms 1900 ms" {
			t.Errorf("%q:\n%s", got, p.out)
		}
		for _, want := range []string{"40 in 4.0 s", "19 were begun more than 10.0 ms late, at most 1900 ms"} {
			if !strings.Contains(p.out, want) {
				t.Errorf("the output lacks %q:\n%s", want, p.out)
			}
		}
	})
}

func TestWhatHasNotBegunAtTheEndIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := settingsOf(func(s *settings) { s.rate, s.duration, s.inFlight = 10, 3*time.Second, 1 })
		f := newFakeService("")
		f.takes = func(n int) time.Duration {
			if n <= s.preparation() {
				return 0
			}
			return 1200 * time.Millisecond
		}
		p := play(t.Context(), f, s)
		for _, want := range []string{"30 in all\n", "3 in 3.6 s\n", "27 were due and never begun"} {
			if !strings.Contains(p.out, want) {
				t.Errorf("the output lacks %q:\n%s", want, p.out)
			}
		}
	})
}

// What hangs is broken off after a second.
func TestCtrlCStopsTheLoadAndStillPrintsTheSummary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := settingsOf(func(s *settings) { s.rate, s.inFlight = 10, 3 })
		f := newFakeService("")
		f.takes = func(n int) time.Duration {
			switch {
			case n > s.preparation()+10 && n <= s.preparation()+13:
				return time.Hour // until it is broken off
			default:
				return 0
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer time.AfterFunc(2500*time.Millisecond, cancel).Stop()
		p := play(ctx, f, s)
		if p.status != statusInterrupted || p.took != 3500*time.Millisecond {
			t.Errorf("status %d after %s:\n%s", p.status, p.took, p.out)
		}
		for _, want := range []string{
			"25 in all\n", "10 in 3.5 s\n", "12 were due and never begun", "3 were broken off by Ctrl-C",
			"Every answer was as promised.", "Deleting the keys",
		} {
			if !strings.Contains(p.out, want) {
				t.Errorf("the output lacks %q:\n%s", want, p.out)
			}
		}
		f.wantNoKeys(t)
	})
}

// reader goes away after the first line.
type reader struct{ lines int }

func (r *reader) Write(text []byte) (int, error) {
	if r.lines++; r.lines > 1 {
		return 0, syscall.EPIPE
	}
	return len(text), nil
}

func TestALoadThatNobodyReadsStopsAndDeletesItsKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeService("")
		w := world{out: &reader{}, transport: f, now: time.Now, random: func() string { return "ABCDEFGHIJKLMNOPQRSTUVWXYZ" }}
		began := time.Now()
		_, err := w.run(t.Context(), func() {}, settingsOf(func(s *settings) { s.duration = time.Hour }))
		if took := time.Since(began); err != nil || took > time.Minute {
			t.Errorf("it ended after %s: %v", took, err)
		}
		f.wantNoKeys(t)
	})
}

func TestCtrlCBeforeTheLoadBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		f := newFakeService("")
		f.takes = func(int) time.Duration { return time.Hour }
		defer time.AfterFunc(time.Second, cancel).Stop()
		if p := play(ctx, f, settingsOf(nil)); p.status != statusInterrupted || p.err == nil || p.took != time.Second {
			t.Errorf("status %d, %v after %s", p.status, p.err, p.took)
		}
	})
}

func TestNoLoadIsSentWithoutTokensThatAreGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeService("token")
		p := play(t.Context(), f, settingsOf(nil))
		if p.status != 1 || p.err == nil || !strings.Contains(p.err.Error(), "is not shown their keys: 401 unauthenticated") {
			t.Errorf("status %d, %v", p.status, p.err)
		}
		if len(f.arrived) > atOnce {
			t.Errorf("%d requests were sent", len(f.arrived))
		}
	})
}

func TestKeysWhoseCreationHadNoAnswerAreDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeService("")
		f.loses = func(int) (bool, bool) { return true, false }
		play(t.Context(), f, settingsOf(nil))
		f.wantNoKeys(t)
	})
}

func TestKeysThatCannotBeDeletedAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := play(t.Context(), newFakeService("deletion"), settingsOf(nil))
		if want := "The keys of 5 owner(s) could not be deleted, IBMid-load-abcdefghij-1 among them."; !strings.Contains(p.out, want) {
			t.Errorf("the output lacks %q:\n%s", want, p.out)
		}
	})
}
