package jobauth_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
)

func TestAWrongFieldIsNamed(t *testing.T) {
	// What is wrong with any text, but for its length.
	texts := map[string]string{
		"missing": "", "line break": "a\nb", "NUL": "a\x00", "delete": "a\x7f", "invalid UTF-8": "a\xff", "once invalid": "a\ufffd",
		"zero width space": "a\u200bb", "text turned round": "a\u202eb", "unbreakable blank": "a\u00a0b",
		"credential": "run of " + credential(t, 1, 1).Reveal(), "credential cut off": credential(t, 1, 1).Reveal()[:60],
	}
	for _, field := range []struct {
		name      string
		maxLength int
		set       func(*jobauth.Request, string)
	}{
		{"jobId", 256, func(r *jobauth.Request, s string) { r.JobID = s }},
		{"runId", 128, func(r *jobauth.Request, s string) { r.RunID = &s }},
		{"service", 128, func(r *jobauth.Request, s string) { r.JobType, r.Service = jobauth.RuntimeService, s }},
		{"owner.accountId", 128, func(r *jobauth.Request, s string) { r.Owner.AccountID = s }},
		{"owner.iamId", 128, func(r *jobauth.Request, s string) { r.Owner.IAMID = s }},
	} {
		for name, text := range texts {
			t.Run(field.name+" "+name, func(t *testing.T) {
				r := byOwner("acme", "IBMid-1")
				field.set(&r, text)
				wantInvalid(t, r, field.name)
			})
		}
		t.Run(field.name+" too long", func(t *testing.T) {
			r := byOwner("acme", "IBMid-1")
			field.set(&r, strings.Repeat("x", field.maxLength+1))
			wantInvalid(t, r, field.name)
		})
		t.Run(field.name+" just short enough", func(t *testing.T) {
			r := byOwner("acme", "IBMid-1")
			field.set(&r, strings.Repeat("x", field.maxLength))
			wantValid(t, r)
		})
	}
}

func TestLengthsAreCountedInCharacters(t *testing.T) {
	r := byOwner("acme", "IBMid-1")
	r.JobID, r.JobType, r.Service = strings.Repeat("字", 256), jobauth.RuntimeService, strings.Repeat("é", 128)
	wantValid(t, r)
	r.RunID = new(strings.Repeat("字", 128))
	wantValid(t, r)
	r.RunID = new(strings.Repeat("字", 129))
	wantInvalid(t, r, "runId")
	r.RunID = nil
	r.JobID += "字"
	wantInvalid(t, r, "jobId")
	r.JobID, r.Service = "job 1", r.Service+"é"
	wantInvalid(t, r, "service")
}

func TestOnlyTheListedJobTypesAndTriggersAreValid(t *testing.T) {
	for _, jobType := range []jobauth.JobType{"", "training", "MODEL_TRAINING", " pipeline", "pipeline\n", "model_training,pipeline"} {
		r := byOwner("acme", "IBMid-1")
		r.JobType = jobType
		detail := wantInvalid(t, r, "jobType")
		for _, valid := range jobauth.JobTypes {
			if !strings.Contains(detail, string(valid)) {
				t.Errorf("%q does not name %s", detail, valid)
			}
		}
	}
	for _, trigger := range []jobauth.Trigger{"", "cron", "SCHEDULED", "adhoc", " ad_hoc"} {
		r := byOwner("acme", "IBMid-1")
		r.Trigger = trigger
		detail := wantInvalid(t, r, "trigger")
		for _, valid := range jobauth.Triggers {
			if !strings.Contains(detail, string(valid)) {
				t.Errorf("%q does not name %s", detail, valid)
			}
		}
	}
}

func TestOnlyARuntimeServiceNamesAService(t *testing.T) {
	for _, jobType := range jobauth.JobTypes {
		t.Run(string(jobType), func(t *testing.T) {
			with, without := byOwner("acme", "IBMid-1"), byOwner("acme", "IBMid-1")
			with.JobType, with.Service = jobType, "watsonx"
			without.JobType = jobType
			if jobType == jobauth.RuntimeService {
				wantValid(t, with)
				wantInvalid(t, without, "service")
			} else {
				wantInvalid(t, with, "service")
				wantValid(t, without)
			}
		})
	}
}

func TestTheKeyIsNamedInExactlyOneWay(t *testing.T) {
	good := credential(t, 3, 3).Reveal()
	for _, c := range []struct {
		credential, scheduleRef, owner bool
		want                           string // the field that is wrong; "" is none
	}{
		{false, false, false, "credential"},
		{true, false, false, ""},
		{false, true, false, ""},
		{false, false, true, ""},
		{true, true, false, "scheduleRef"},
		{true, false, true, "owner"},
		{false, true, true, "owner"},
		{true, true, true, "scheduleRef"},
	} {
		for _, text := range []string{"", "x", good, refOf("nightly")} { // good or bad, it is given
			r := request()
			if c.credential {
				r.Credential = &text
			}
			if c.scheduleRef {
				r.ScheduleRef = &text
			}
			if c.owner {
				r.Owner = &jobauth.OwnerRef{AccountID: "acme", IAMID: "IBMid-1"}
			}
			if c.want == "" {
				wantValid(t, r)
				continue
			}
			detail := wantInvalid(t, r, c.want)
			if text != "" && text != "x" && strings.Contains(detail, text) {
				t.Errorf("%q shows what was given", detail)
			}
		}
	}
}

// A lease is for a run, and of seconds that are within its bounds.
func TestLeasesAreOfRunsAndBounded(t *testing.T) {
	for seconds, valid := range map[int64]bool{
		1: true, 60: true, 3600: true, 86_399: true, 86_400: true,
		0: false, -1: false, 86_401: false, math.MaxInt64: false, math.MinInt64: false, 1 << 32: false,
	} {
		r := byOwner("acme", "IBMid-1")
		r.LeaseSeconds = &seconds
		wantInvalid(t, r, "leaseSeconds") // without a run

		r.RunID = new("run-1")
		lease, err := jobauth.ParseLease(&seconds)
		if !valid {
			wantInvalid(t, r, "leaseSeconds")
			var refusal *apikey.Error
			if !errors.As(err, &refusal) || refusal.Code != apikey.CodeInvalidRequest || refusal.Field != "leaseSeconds" || lease != 0 {
				t.Errorf("%d seconds: %v, %v", seconds, lease, err)
			}
			continue
		}
		wantValid(t, r)
		if want := time.Duration(seconds) * time.Second; lease != want || err != nil {
			t.Errorf("%d seconds: %v, %v", seconds, lease, err)
		}
	}
	if lease, err := jobauth.ParseLease(nil); lease != time.Hour || err != nil {
		t.Errorf("no lease: %v, %v", lease, err)
	}
	if jobauth.MaxLease != 24*time.Hour || jobauth.DefaultLease != time.Hour {
		t.Errorf("at most %v, %v unless asked for", jobauth.MaxLease, jobauth.DefaultLease)
	}
}

// A credential or a reference of the wrong form is a good question with a bad
// answer.
func TestAMalformedCredentialOrReferenceIsNoInvalidRequest(t *testing.T) {
	for _, text := range []string{"", "x", "\xff", "a\nb", strings.Repeat("x", 10_000)} {
		wantValid(t, byCredential(text))
		wantValid(t, bySchedule(text))
	}
}

func TestAnInvalidRequestTellsNothingOfItsCredential(t *testing.T) {
	text := credential(t, 3, 3).Reveal()
	r := byCredential(text)
	r.JobType = "training"
	if _, err := r.Prepare(platform); err == nil || strings.Contains(err.Error(), text) {
		t.Errorf("got %v", err)
	}
}

func wantValid(t *testing.T, r jobauth.Request) {
	t.Helper()
	if _, err := r.Prepare(platform); err != nil {
		t.Errorf("refused: %v", err)
	}
}

// wantInvalid wants a refusal of every caller, for the form comes first, and
// gives its detail.
func wantInvalid(t *testing.T, r jobauth.Request, field string) (detail string) {
	t.Helper()
	var refusal *apikey.Error
	for _, caller := range []jobauth.Caller{ownAccount, otherAccount, platform, zeroCaller} {
		_, err := r.Prepare(caller)
		if !errors.As(err, &refusal) || refusal.Code != apikey.CodeInvalidRequest || refusal.Field != field || refusal.Detail == "" {
			t.Fatalf("got %#v, want invalid_request of %s", err, field)
		}
	}
	return refusal.Detail
}
