package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/userapikey/service/localstack/deployed"
)

// Bounds of a load.
const (
	maxRate     = 5000
	maxDuration = 10 * time.Minute // less than an owner waits for an eleventh key
	maxOwners   = 5000
	maxInFlight = 2000
)

// settings are a load's, as the person at the keyboard gave them.
type settings struct {
	apiURL       string
	issuerURL    string // "" when there is a tokenCommand
	tokenCommand string
	rate         int // requests per second
	duration     time.Duration
	owners       int
	inFlight     int
	mix          mix
}

const explanation = `load sends requests to a deployment of the user API key service at a steady
rate, and checks every answer.

Requests begin on schedule, whether or not earlier ones were answered, and each
one's latency counts from the instant at which it was due; so a stall shows in
every request that it held up. When as many are in flight as may be, those that
are due wait, and their wait is part of their latency. What has not begun when
the time is over never does, and is counted.

Each owner has a schedule that follows the Active key, and their first request
creates the key. Afterwards 7 decisions of 10 present the credential that was
made last, 1 names the schedule, 1 names the owner, and 1 presents the
credential of an older key, once there is one: of a Phased out or a deleted one.
A delete-one deletes the oldest Phased out key, and rotates when there is none;
a delete-all creates when there is no key. An owner may make 10 keys at once and
then one every 15 minutes; so more creates and rotations than 10 for each owner
are answered 409 active_key_exists and 429 rotation_rate_exceeded, as promised.
More owners make more keys.

Status 1: an answer was not as promised. Among others: an old credential is
allowed though its rotation or deletion had been answered before the question
was asked; an Active one is refused; there is no Active key during a rotation;
a deletion leaves a key that it was to delete; an owner gets more or fewer keys
than the allowance; an answer that the contract does not have (500, 502, 504),
or none within 35 s. As promised, and counted: 503 with Retry-After, 409
conflict, and 429 of the gateway. After 503 and lost answers the next create or
rotation of that owner repeats the Idempotency-Key.
Status 130: stopped by Ctrl-C. The summary is printed nevertheless.

At the end all keys of the owners are deleted, and their secrets with them, and
the schedules are unbound.

The file of a deployment on AWS has the address of its API (the stack's output
ApiUrl) as API_URL=https://….amazonaws.com/live, and no AWS_ENDPOINT_URL. Its
issuer gives no tokens to load; -token-command says how to get them. sh runs the
command once for each owner and once for the job runner, and it prints a bearer
token. Its environment says whose: LOAD_ROLE is Administrator or JobRunner,
LOAD_OWNER the number of the owner (1, 2, …; 0 for the job runner). The owners
must be different users, for tests only: their keys are deleted at the end. The
job runner must be of their account, or a PlatformJobRunner. Tokens have to be
good for the time of the load and a minute. Keep in mind that Secrets Manager
takes 50 writes a second in a region, of which a create or a deletion needs one
and a rotation three, and that every request is billed.

Flags:
`

// commandLine is what the flags say, before it is checked.
type commandLine struct {
	flags    *flag.FlagSet
	settings settings
	envFile  string
	mix      string
}

func newCommandLine() *commandLine {
	c := &commandLine{flags: flag.NewFlagSet("load", flag.ContinueOnError), settings: settings{duration: 30 * time.Second}}
	f, s := c.flags, &c.settings
	f.SetOutput(io.Discard)
	f.StringVar(&c.envFile, "env", "build/local.env", "`file` that describes the deployment")
	f.StringVar(&s.tokenCommand, "token-command", "", "shell `command` that prints a token")
	f.IntVar(&s.rate, "rate", 50, fmt.Sprintf("`requests` per second, at most %d", maxRate))
	f.Func("time", fmt.Sprintf("`how long`, such as 90s; at most %s (default %s)", maxDuration, s.duration), func(text string) (err error) {
		if s.duration, err = time.ParseDuration(text); err != nil {
			return errors.New("say how long with its unit, such as 30s or 2m")
		}
		return nil
	})
	f.IntVar(&s.owners, "owners", 100, fmt.Sprintf("`number` of owners, at most %d", maxOwners))
	f.IntVar(&s.inFlight, "in-flight", 64, fmt.Sprintf("`number` of requests that may be in flight at once, at most %d", maxInFlight))
	f.StringVar(&c.mix, "mix", defaultMix, "`shares` of the operations")
	return c
}

func help(out io.Writer) {
	fmt.Fprint(out, explanation)
	c := newCommandLine()
	c.flags.SetOutput(out)
	c.flags.PrintDefaults()
}

func parse(arguments []string) (settings, error) {
	c := newCommandLine()
	err := c.flags.Parse(arguments)
	if errors.Is(err, flag.ErrHelp) {
		return settings{}, err
	}
	if err == nil && c.flags.NArg() > 0 {
		err = fmt.Errorf("%q is not understood", c.flags.Arg(0))
	}
	s := c.settings
	if err == nil {
		s.mix, err = parseMix(c.mix)
	}
	if err == nil {
		err = s.checkBounds()
	}
	if err != nil {
		return settings{}, fmt.Errorf("%w (-help explains)", err)
	}
	err = s.addAddresses(c.envFile)
	return s, err
}

func (s *settings) checkBounds() error {
	for _, bound := range []struct {
		name        string
		value, most int
	}{
		{"rate", s.rate, maxRate}, {"owners", s.owners, maxOwners}, {"in-flight", s.inFlight, maxInFlight},
	} {
		if bound.value < 1 || bound.value > bound.most {
			return fmt.Errorf("-%s is %d, and must be between 1 and %d", bound.name, bound.value, bound.most)
		}
	}
	if s.duration < time.Second || s.duration > maxDuration {
		return fmt.Errorf("-time is %s, and must be between 1s and %s", s.duration, maxDuration)
	}
	return nil
}

func (s *settings) addAddresses(envFile string) error {
	env, err := deployed.ReadEnv(envFile)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no %s, so no local stack is running: start it with `make up` or `make run` (ENV= names the file of another deployment)", envFile)
	}
	if err != nil {
		return err
	}
	s.apiURL = strings.TrimRight(env["API_URL"], "/")
	if s.apiURL == "" {
		return fmt.Errorf("%s has no API_URL", envFile)
	}
	if err := checkAddress(s.apiURL); err != nil {
		return err
	}
	if s.tokenCommand != "" {
		return nil
	}
	s.issuerURL = env["ISSUER_URL"]
	if env["AWS_ENDPOINT_URL"] == "" || s.issuerURL == "" {
		return fmt.Errorf("%s describes no local stack, whose issuer signs what it is asked to sign; say with -token-command how to get tokens (-help explains)", envFile)
	}
	return checkAddress(s.issuerURL)
}

// checkAddress refuses an address to which no token may be sent.
func checkAddress(address string) error {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
		return fmt.Errorf("%q is not the address of a server", address)
	}
	if parsed.Scheme == "http" && !isLoopback(parsed.Hostname()) {
		return fmt.Errorf("%s is another machine, and tokens must not go there without encryption: use https", address)
	}
	return nil
}

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

func (s *settings) tokens(client *http.Client) tokenSource {
	if s.tokenCommand != "" {
		return fromCommand(s.tokenCommand)
	}
	return fromIssuer(client, s.issuerURL)
}
