package jobauth_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
)

// TestEveryReasonForEveryCaller compares whole decisions: what is unknown or not
// the caller's business is left out.
func TestEveryReasonForEveryCaller(t *testing.T) {
	ring := ringOfThree(t)
	empty, _ := ring.DeleteAll(at(noon))
	right := func(n int) jobauth.Request { return byCredential(credential(t, n, n).Reveal()) }
	wrong := func(n int) jobauth.Request { return byCredential(credential(t, n, 900).Reveal()) }

	active := jobauth.Decision{
		Allowed: true, Reason: "key_active", KeyID: keyID(3), KeyName: ring.Active.Name, Owner: &ada,
		Secret: &jobauth.SecretRef{ARN: "arn:secret", VersionID: keyID(3).String()},
	}
	phasedOut := jobauth.Decision{Reason: "key_phased_out", KeyID: keyID(2), KeyName: ring.PhasedOut[0].Name, Owner: &ada}
	deleted := func(n int) jobauth.Decision {
		return jobauth.Decision{Reason: "key_deleted", KeyID: keyID(n), Owner: &ada}
	}
	unknown := jobauth.Decision{Reason: "key_unknown"}
	malformed := jobauth.Decision{Reason: "credential_malformed"}
	noActive := jobauth.Decision{Reason: "no_active_key"}

	seen := map[jobauth.Reason]bool{}
	for _, c := range []struct {
		name    string
		request jobauth.Request
		ring    apikey.Ring
		// What its own account's runner and the platform's are told, and what
		// everybody else is.
		insiders, outsiders jobauth.Decision
	}{
		{"Active key's credential", right(3), ring, active, unknown},
		{"Phased out key's credential", right(2), ring, phasedOut, unknown},
		{"deleted key's credential", right(1), ring, deleted(1), unknown},
		{"Active key's credential after all were deleted", right(3), empty, deleted(3), unknown},
		{"Phased out key's credential after all were deleted", right(2), empty, deleted(2), unknown},
		{"credential of a key that never was", right(7), ring, unknown, unknown},
		{"wrong secret of the Active key", wrong(3), ring, unknown, unknown},
		{"wrong secret of the Phased out key", wrong(2), ring, unknown, unknown},
		{"wrong secret of the deleted key", wrong(1), ring, unknown, unknown},
		{"secret of another key of the ring", byCredential(credential(t, 2, 3).Reveal()), ring, unknown, unknown},
		{"credential of an owner without a ring", right(3), apikey.Ring{}, unknown, unknown},
		{"malformed credential", byCredential("cpdk_x"), ring, malformed, malformed},
		{"empty credential", byCredential(""), ring, malformed, malformed},
		{"mistyped credential", byCredential(credential(t, 3, 3).Reveal() + " "), ring, malformed, malformed},
		{"owner with an Active key", byOwner("acme", "IBMid-1"), ring, active, noActive},
		{"owner whose keys were deleted", byOwner("acme", "IBMid-1"), empty, noActive, noActive},
		{"owner without a ring", byOwner("acme", "IBMid-1"), apikey.Ring{}, noActive, noActive},
	} {
		for _, caller := range []struct {
			name   string
			caller jobauth.Caller
			want   jobauth.Decision
		}{
			{"own account", ownAccount, c.insiders},
			{"other account", otherAccount, c.outsiders},
			{"platform", platform, c.insiders},
			{"platform of another account", jobauth.Caller{AccountID: "evil", Platform: true}, c.insiders},
			{"zero caller", zeroCaller, c.outsiders},
		} {
			t.Run(c.name+"/"+caller.name, func(t *testing.T) {
				got := decide(t, c.request, caller.caller, c.ring)
				if diff := cmp.Diff(caller.want, got); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
				if got.Allowed != (got.Reason == jobauth.KeyActive) {
					t.Errorf("allowed %t for the reason %s", got.Allowed, got.Reason)
				}
				seen[got.Reason] = true
			})
		}
	}
	for _, reason := range jobauth.Reasons {
		if !seen[reason] {
			t.Errorf("no case has the reason %s", reason)
		}
	}
}

// What an outsider is told must not tell whether the key exists.
func TestAForeignKeyAndAWrongSecretAreToldTheSame(t *testing.T) {
	ring := ringOfThree(t)
	for n := 1; n <= 3; n++ {
		foreign := decide(t, byCredential(credential(t, n, n).Reveal()), otherAccount, ring)
		forged := decide(t, byCredential(credential(t, n, 900).Reveal()), ownAccount, ring)
		nobodys := decide(t, byCredential(credential(t, 7, 7).Reveal()), ownAccount, ring)
		if diff := cmp.Diff(forged, foreign); diff != "" {
			t.Errorf("key %d (-wrong secret +foreign):\n%s", n, diff)
		}
		if diff := cmp.Diff(nobodys, forged); diff != "" {
			t.Errorf("key %d (-no such key +wrong secret):\n%s", n, diff)
		}
	}
}

func TestAForeignOwnerAndOneWithoutKeysAreToldTheSame(t *testing.T) {
	ring := ringOfThree(t)
	empty, _ := ring.DeleteAll(at(noon))
	foreign := decide(t, byOwner("acme", "IBMid-1"), otherAccount, ring)
	if diff := cmp.Diff(decide(t, byOwner("acme", "IBMid-1"), ownAccount, empty), foreign); diff != "" {
		t.Errorf("-without keys +foreign:\n%s", diff)
	}
}

// A ring of no account does not come about; it must not be everybody's.
func TestTheZeroCallerHasNoBusinessWithARingOfNoAccount(t *testing.T) {
	ring := ringOfThree(t)
	ring.Owner = apikey.Owner{}
	got := decide(t, byCredential(credential(t, 3, 3).Reveal()), zeroCaller, ring)
	if diff := cmp.Diff(jobauth.Decision{Reason: "key_unknown"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestNoRingIsReadForWhatFormAndCallerDecide(t *testing.T) {
	good := credential(t, 3, 3).Reveal()
	for _, c := range []struct {
		name    string
		request jobauth.Request
		caller  jobauth.Caller
		needed  bool
	}{
		{"malformed credential", byCredential("cpdk_x"), platform, false},
		{"empty credential", byCredential(""), ownAccount, false},
		{"cut off credential", byCredential(good[:len(good)-1]), ownAccount, false},
		{"foreign owner", byOwner("acme", "IBMid-1"), otherAccount, false},
		{"owner, zero caller", byOwner("acme", "IBMid-1"), zeroCaller, false},
		{"good credential", byCredential(good), ownAccount, true},
		{"good credential of whom only the ring tells", byCredential(good), otherAccount, true},
		{"own owner", byOwner("acme", "IBMid-1"), ownAccount, true},
		{"platform's owner", byOwner("acme", "IBMid-1"), platform, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			question, err := c.request.Prepare(c.caller)
			if err != nil {
				t.Fatal(err)
			}
			want := apikey.Locator{}
			if c.needed {
				want = ada.Locator()
			}
			if needs, any := question.Needs(); any != c.needed || needs != (jobauth.Needs{Ring: want}) {
				t.Errorf("needs %v: %t", needs, any)
			}
		})
	}
}

// A caller that names an owner of its own account gets that owner's ring, not
// one whose parts only join to the same text.
func TestAnOwnersRingIsFoundByBothItsParts(t *testing.T) {
	for _, owner := range []apikey.Owner{{AccountID: "acme", IAMID: "IBMid-1"}, {AccountID: "acmeI", IAMID: "BMid-1"}} {
		question, err := byOwner(owner.AccountID, owner.IAMID).Prepare(platform)
		if err != nil {
			t.Fatal(err)
		}
		if needs, _ := question.Needs(); needs.Ring != owner.Locator() {
			t.Errorf("%+v is looked for at %v", owner, needs.Ring)
		}
	}
}

func TestEveryKindOfJobMayRunWithAnActiveKey(t *testing.T) {
	ring := ringOfThree(t)
	for _, jobType := range jobauth.JobTypes {
		for _, trigger := range jobauth.Triggers {
			t.Run(fmt.Sprintf("%s/%s", jobType, trigger), func(t *testing.T) {
				for _, r := range []jobauth.Request{byOwner("acme", "IBMid-1"), byCredential(credential(t, 3, 3).Reveal())} {
					r.JobType, r.Trigger = jobType, trigger
					if jobType == jobauth.RuntimeService {
						r.Service = "watsonx"
					}
					if decision := decide(t, r, ownAccount, ring); !decision.Allowed {
						t.Errorf("refused: %s", decision.Reason)
					}
				}
			})
		}
	}
}

// Tables over these lists are complete only if the lists are.
func TestListsNameEveryValue(t *testing.T) {
	for _, c := range []struct {
		file, typeName string
		listed         []string
	}{
		{"decision.go", "Reason", texts(jobauth.Reasons)},
		{"request.go", "JobType", texts(jobauth.JobTypes)},
		{"request.go", "Trigger", texts(jobauth.Triggers)},
	} {
		if diff := cmp.Diff(constantsOf(t, c.file, c.typeName), c.listed); diff != "" {
			t.Errorf("%s (-declared +listed):\n%s", c.typeName, diff)
		}
	}
}

func texts[T ~string](values []T) []string {
	var texts []string
	for _, value := range values {
		texts = append(texts, string(value))
	}
	return slices.Sorted(slices.Values(texts))
}

// constantsOf is the sorted values of a file's constants of a type.
func constantsOf(t *testing.T, file, typeName string) []string {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(tree, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); !ok || name.Name != typeName {
			return false
		}
		for _, value := range spec.Values {
			text, err := strconv.Unquote(value.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, text)
		}
		return false
	})
	return slices.Sorted(slices.Values(values))
}
