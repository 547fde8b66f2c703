package authorizer_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
)

// way is a way to name the key.
type way string

// reasonsOf are the reasons that each way to name the key can be answered with.
var reasonsOf = map[way][]jobauth.Reason{
	"credential":  {jobauth.KeyActive, jobauth.CredentialMalformed, jobauth.KeyUnknown, jobauth.KeyPhasedOut, jobauth.KeyDeleted},
	"scheduleRef": {jobauth.KeyActive, jobauth.ScheduleUnknown, jobauth.ScheduleKeyPhasedOut, jobauth.ScheduleKeyDeleted, jobauth.NoActiveKey},
	"owner":       {jobauth.KeyActive, jobauth.NoActiveKey},
}

// reasonCase is a question of a job runner of Jane's account, or of another's.
type reasonCase struct {
	given    func(world)
	question func(world) question
	want     jobauth.Reason
	// named tells whether key and owner are told.
	named bool
	// foreign: another account's job runner asks. A gateway of another API asks
	// about every account, so it is not asked this.
	foreign bool
}

func active(world) question    { return byCredential(functest.SecondCredential) }
func phasedOut(world) question { return byCredential(functest.FirstCredential) }
func janes(world) question     { return byOwner(functest.Jane) }

func ofJane(id string) func(world) question {
	return func(world) question { return bySchedule(apikey.ScheduleRef{Locator: functest.Jane.Locator(), ID: id}) }
}

// The states of things.
func deletedOne(w world)  { w.DeleteOne(functest.Jane, w.Ring(functest.Jane).PhasedOut[0].ID) }
func deletedAll(w world)  { w.DeleteAll(functest.Jane) }
func bornAnew(w world)    { w.DeleteAll(functest.Jane); w.Create(functest.Jane) }
func suspended(w world)   { w.Suspend(functest.Jane) }
func rotatedAway(w world) { pinned(w); w.Rotate(functest.Jane) }

func following(w world) {
	bind(w.t, w.World, functest.Jane, apikey.Schedule{ID: "nightly", Binding: apikey.FollowActive})
}

func pinned(w world) {
	bind(w.t, w.World, functest.Jane, apikey.Schedule{ID: "nightly", Binding: apikey.Pinned, KeyID: w.Ring(functest.Jane).Active.ID})
}

// after is the one state of things, and then the other.
func after(first, then func(world)) func(world) { return func(w world) { first(w); then(w) } }

var reasonCases = map[way]map[string]reasonCase{
	"credential": {
		"Active":                  {question: active, want: jobauth.KeyActive, named: true},
		"Phased out":              {question: phasedOut, want: jobauth.KeyPhasedOut, named: true},
		"deleted alone":           {given: deletedOne, question: phasedOut, want: jobauth.KeyDeleted, named: true},
		"deleted with all":        {given: deletedAll, question: active, want: jobauth.KeyDeleted, named: true},
		"deleted, another made":   {given: bornAnew, question: active, want: jobauth.KeyDeleted, named: true},
		"wrong secret":            {question: func(w world) question { return byCredential(w.forged()) }, want: jobauth.KeyUnknown},
		"wrong secret of deleted": {given: deletedAll, question: forgedBefore, want: jobauth.KeyUnknown},
		"nobody's":                {question: nobodys, want: jobauth.KeyUnknown},
		"mistyped":                {question: mistyped, want: jobauth.CredentialMalformed},
		"empty":                   {question: func(world) question { return byCredential("") }, want: jobauth.CredentialMalformed},
		"foreign, Active":         {foreign: true, question: active, want: jobauth.KeyUnknown},
		"foreign, Phased out":     {foreign: true, question: phasedOut, want: jobauth.KeyUnknown},
		"foreign, deleted":        {foreign: true, given: deletedAll, question: active, want: jobauth.KeyUnknown},
	},
	"scheduleRef": {
		"follows the Active key":     {given: following, question: ofJane("nightly"), want: jobauth.KeyActive, named: true},
		"follows, rotated":           {given: after(following, func(w world) { w.Rotate(functest.Jane) }), question: ofJane("nightly"), want: jobauth.KeyActive, named: true},
		"follows, all deleted":       {given: after(following, deletedAll), question: ofJane("nightly"), want: jobauth.NoActiveKey},
		"follows, another made":      {given: after(following, bornAnew), question: ofJane("nightly"), want: jobauth.KeyActive, named: true},
		"follows, owner suspended":   {given: after(following, suspended), question: ofJane("nightly"), want: jobauth.NoActiveKey},
		"pinned to the Active key":   {given: pinned, question: ofJane("nightly"), want: jobauth.KeyActive, named: true},
		"pinned, rotated":            {given: rotatedAway, question: ofJane("nightly"), want: jobauth.ScheduleKeyPhasedOut, named: true},
		"pinned, bound again":        {given: after(rotatedAway, pinned), question: ofJane("nightly"), want: jobauth.KeyActive, named: true},
		"pinned, all deleted":        {given: after(pinned, deletedAll), question: ofJane("nightly"), want: jobauth.ScheduleKeyDeleted, named: true},
		"pinned, another made":       {given: after(pinned, bornAnew), question: ofJane("nightly"), want: jobauth.ScheduleKeyDeleted, named: true},
		"not bound":                  {given: following, question: ofJane("weekly"), want: jobauth.ScheduleUnknown},
		"of nobody":                  {question: ofNobody, want: jobauth.ScheduleUnknown},
		"malformed":                  {given: following, question: func(world) question { return ofJane("nightly")(world{}).with("scheduleRef", "cpds_x") }, want: jobauth.ScheduleUnknown},
		"a credential instead":       {question: func(world) question { return ofJane("x")(world{}).with("scheduleRef", functest.SecondCredential) }, want: jobauth.ScheduleUnknown},
		"foreign":                    {foreign: true, given: following, question: ofJane("nightly"), want: jobauth.ScheduleUnknown},
		"foreign, pinned, rotated":   {foreign: true, given: rotatedAway, question: ofJane("nightly"), want: jobauth.ScheduleUnknown},
		"foreign, without keys left": {foreign: true, given: after(following, deletedAll), question: ofJane("nightly"), want: jobauth.ScheduleUnknown},
	},
	"owner": {
		"with an Active key": {question: janes, want: jobauth.KeyActive, named: true},
		"without keys":       {given: deletedAll, question: janes, want: jobauth.NoActiveKey},
		"suspended":          {given: suspended, question: janes, want: jobauth.NoActiveKey},
		"unknown": {
			question: func(world) question {
				return byOwner(apikey.Owner{AccountID: functest.Jane.AccountID, IAMID: "IBMid-2"})
			},
			want: jobauth.NoActiveKey,
		},
		"foreign": {foreign: true, question: janes, want: jobauth.NoActiveKey},
	},
}

func mistyped(world) question { return byCredential(strings.ToUpper(functest.SecondCredential)) }

func nobodys(w world) question {
	return byCredential(w.credentialOf(apikey.Owner{AccountID: functest.Jane.AccountID, IAMID: "IBMid-2"}.Locator(), w.anyKeyID()))
}

func ofNobody(world) question {
	return bySchedule(apikey.ScheduleRef{Locator: apikey.Owner{AccountID: functest.Jane.AccountID, IAMID: "IBMid-2"}.Locator(), ID: "nightly"})
}

// forgedBefore is a forged credential of the key that was Active before all were
// deleted.
func forgedBefore(w world) question {
	deleted := w.Ring(functest.Jane).Deleted
	return byCredential(w.credentialOf(functest.Jane.Locator(), deleted[len(deleted)-1].ID))
}

func TestEveryReasonHasACase(t *testing.T) {
	covered := map[jobauth.Reason]bool{}
	for way, reasons := range reasonsOf {
		var got []jobauth.Reason
		for _, reason := range reasons {
			for _, c := range reasonCases[way] {
				if c.want == reason {
					got = append(got, reason)
					break
				}
			}
			covered[reason] = true
		}
		if diff := cmp.Diff(reasons, got); diff != "" {
			t.Errorf("by %s: possible (-) and with a case (+): %s", way, diff)
		}
	}
	for _, reason := range jobauth.Reasons {
		if !covered[reason] {
			t.Errorf("no way to name the key is said to be answered with %s", reason)
		}
	}
}

// Every reason, every way to name the key, every shape: one function decides.
func TestEveryShapeAnswersEveryReason(t *testing.T) {
	for shapeName, shape := range shapes {
		for way, cases := range reasonCases {
			for name, c := range cases {
				if shape.isAuthorizer && (way != "credential" || c.foreign) {
					continue
				}
				t.Run(shapeName+"/"+string(way)+"/"+name, func(t *testing.T) { c.check(t, shape) })
			}
		}
	}
}

// check checks the answer in the shape. The platform is answered as the account is.
func (c reasonCase) check(t *testing.T, s shape) {
	w, q, account := c.begin(t)
	want := c.answer(w, q, s)
	if diff := cmp.Diff(want, s.ask(w, q, account)); diff != "" {
		t.Errorf("want (-) and answered (+): %s", diff)
	}
	if c.foreign {
		return
	}
	if diff := cmp.Diff(want, s.ask(w, q, "")); diff != "" {
		t.Errorf("the platform: want (-) and answered (+): %s", diff)
	}
}

// begin makes a world for the case, with the question and the account that asks.
func (c reasonCase) begin(t *testing.T) (w world, q question, account string) {
	w, account = newWorld(t), functest.Jane.AccountID
	if c.given != nil {
		c.given(w)
	}
	if c.foreign {
		account = "another"
	}
	return w, c.question(w), account
}

// answer is the whole answer that the case wants in the shape.
func (c reasonCase) answer(w world, q question, s shape) decision {
	want := decision{Allowed: c.want == jobauth.KeyActive, Reason: c.want}
	if c.want == jobauth.NoActiveKey && q["scheduleRef"] != nil {
		want.Owner = functest.Jane // the reference is right
	}
	if !c.named || s.isAuthorizer && !want.Allowed {
		return want
	}
	ring := w.Ring(functest.Jane)
	want.Owner = functest.Jane
	switch c.want {
	case jobauth.KeyActive:
		want.Key.ID, want.Key.Name = ring.Active.ID.String(), ring.Active.Name
		if !s.isAuthorizer {
			want.Secret.ARN, want.Secret.VersionID = ring.SecretARN, ring.Active.VersionID
		}
	case jobauth.KeyPhasedOut, jobauth.ScheduleKeyPhasedOut:
		key := ring.PhasedOut[len(ring.PhasedOut)-1]
		want.Key.ID, want.Key.Name = key.ID.String(), key.Name
	default:
		want.Key.ID = ring.Deleted[len(ring.Deleted)-1].ID.String()
	}
	return want
}
