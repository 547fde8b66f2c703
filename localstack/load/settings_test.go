package main

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func envFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "local.env")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const local = "API_URL=http://127.0.0.1:1/live/\nAWS_ENDPOINT_URL=http://127.0.0.1:1\nISSUER_URL=http://127.0.0.1:2\n"

func TestTheFileSaysWhereTheDeploymentIs(t *testing.T) {
	s, err := parse([]string{"-env", envFile(t, local), "-rate", "200", "-time", "90s"})
	if err != nil {
		t.Fatal(err)
	}
	if s.apiURL != "http://127.0.0.1:1/live" || s.issuerURL != "http://127.0.0.1:2" || s.rate != 200 || s.duration != 90*time.Second {
		t.Errorf("%+v", s)
	}
}

func TestWhatIsRefusedBeforeAnythingIsSent(t *testing.T) {
	for name, c := range map[string]struct {
		arguments []string
		want      string
	}{
		"no stack":            {[]string{"-env", filepath.Join(t.TempDir(), "none")}, "no local stack is running"},
		"file without an API": {[]string{"-env", envFile(t, "ISSUER_URL=http://127.0.0.1:2\n")}, "has no API_URL"},
		"rate of none":        {[]string{"-rate", "0"}, "-rate is 0, and must be between 1 and 5000"},
		"rate too high":       {[]string{"-rate", "5001"}, "-rate is 5001"},
		"time too long":       {[]string{"-time", "10m1s"}, "-time is 10m1s, and must be between 1s and 10m0s"},
		"time without a unit": {[]string{"-time", "30"}, "say how long with its unit, such as 30s"},
		"no owners":           {[]string{"-owners", "0"}, "-owners is 0"},
		"too much in flight":  {[]string{"-in-flight", "2001"}, "-in-flight is 2001"},
		"unknown operation":   {[]string{"-mix", "decide=1,delete=1"}, "an operation other than"},
		"no operation":        {[]string{"-mix", "decide=0"}, "has no share"},
		"share twice":         {[]string{"-mix", "decide=1,decide=2"}, "two shares"},
		"share of no number":  {[]string{"-mix", "decide"}, "not of the form"},
		"unknown argument":    {[]string{"more"}, `"more" is not understood`},
		"no server":           {[]string{"-env", envFile(t, "API_URL=api.example.com"), "-token-command", "x"}, "not the address of a server"},
		"unencrypted":         {[]string{"-env", envFile(t, "API_URL=http://api.example.com"), "-token-command", "x"}, "use https"},
		"unencrypted issuer": {
			[]string{"-env", envFile(t, "API_URL=https://a.example\nAWS_ENDPOINT_URL=https://b.example\nISSUER_URL=http://10.0.0.1")}, "use https",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := parse(c.arguments); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// A real issuer is not asked to sign what load makes up.
func TestADeploymentOnAWSNeedsATokenCommand(t *testing.T) {
	onAWS := []string{"-env", envFile(t, "API_URL=https://api.example.com/live\nISSUER_URL=https://issuer.example.com\n")}
	if _, err := parse(onAWS); err == nil || !strings.Contains(err.Error(), "-token-command") {
		t.Errorf("got %v", err)
	}
	s, err := parse(append(onAWS, "-token-command", "x"))
	if err != nil || s.apiURL != "https://api.example.com/live" || s.tokenCommand != "x" || s.issuerURL != "" {
		t.Errorf("got %+v, %v", s, err)
	}
}

func TestHelpNamesEveryFlag(t *testing.T) {
	if _, err := parse([]string{"-help"}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("got %v", err)
	}
	var out strings.Builder
	help(&out)
	newCommandLine().flags.VisitAll(func(f *flag.Flag) {
		if !strings.Contains(out.String(), "  -"+f.Name) {
			t.Errorf("-help lacks -%s", f.Name)
		}
	})
}

func TestMixIsDrawnByItsShares(t *testing.T) {
	m, err := parseMix(defaultMix)
	if err != nil {
		t.Fatal(err)
	}
	drawn := map[operation]int{}
	for place := range m.sum() {
		drawn[m.pick(place)]++
	}
	for _, o := range operations {
		if drawn[o] != m[o] {
			t.Errorf("%s: %d of %d, want %d", o, drawn[o], m.sum(), m[o])
		}
	}
	if m.String() != "decide 90 %, view 4 %, create 2 %, rotate 2.5 %, delete-one 1 %, delete-all 0.5 %" {
		t.Error(m)
	}
}

func TestEveryRunDrawsTheSame(t *testing.T) {
	draw := func() (drawn []string) {
		p := newPlan(mix{decide: 1, rotate: 1}, []*owner{{iamID: "1"}, {iamID: "2"}, {iamID: "3"}})
		for range 50 {
			next := p.next()
			drawn = append(drawn, string(next.operation)+next.owner.iamID)
		}
		return drawn
	}
	if first, again := draw(), draw(); !slices.Equal(first, again) {
		t.Errorf("%v\n%v", first, again)
	}
}

// A rate that does not divide a second still makes as many requests as it says.
func TestAllThatIsDueIsCounted(t *testing.T) {
	for _, c := range []struct {
		rate   int
		passed time.Duration
		want   int
	}{
		{3, 10 * time.Minute, 1800}, {3000, time.Second, 3000}, {maxRate, maxDuration, 3_000_000}, {10, 0, 0}, {10, 1, 1}, {10, 100*time.Millisecond + 1, 2},
	} {
		g := &generator{settings: settings{rate: c.rate}}
		if got := g.dueBefore(c.passed); got != c.want {
			t.Errorf("%d a second for %s: %d, want %d", c.rate, c.passed, got, c.want)
		}
	}
}

func TestPercentilesAreNearestRanks(t *testing.T) {
	ordered := func(n int) (latencies []time.Duration) {
		for i := range n {
			latencies = append(latencies, time.Duration(i+1))
		}
		return latencies
	}
	for _, c := range []struct{ n, percent, want int }{
		{0, 50, 0}, {1, 0, 1}, {1, 50, 1}, {1, 99, 1}, {2, 50, 1}, {2, 51, 2}, {3, 50, 2}, {10, 90, 9}, {10, 91, 10},
		{99, 99, 99}, {100, 99, 99}, {101, 99, 100}, {100, 100, 100}, {1000, 99, 990},
	} {
		if got := percentile(ordered(c.n), c.percent); int(got) != c.want {
			t.Errorf("of %d latencies, %d %%: %d, want %d", c.n, c.percent, got, c.want)
		}
	}
}

func TestLatenciesAreShownReadably(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.0 ms", 1234 * time.Microsecond: "1.2 ms", 99_949 * time.Microsecond: "99.9 ms", 99_950 * time.Microsecond: "100 ms",
		9999 * time.Millisecond: "9999 ms", 12345 * time.Millisecond: "12.3 s", never: "never",
	} {
		if got := milliseconds(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}
