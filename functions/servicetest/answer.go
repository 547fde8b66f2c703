package servicetest

import "encoding/json"

// Answer is an answer of the service: the fields of all bodies together.
type Answer struct {
	Status     int    `json:"-"`
	RetryAfter string `json:"-"`
	ETag       string `json:"-"`
	// Text is the body as it came, or what a failed function told.
	Text string `json:"-"`

	Code       string
	Revision   int64
	Key        Key
	Credential string
	Active     *Key
	Suspended  bool
	Deleted    []Key
	Allowed    bool
	Reason     string
	Changes    []struct{ Revision int64 }
	// Of a decision.
	Run       struct{ Ref string }
	Decisions []Answer
	// Of a schedule, or a rebinding.
	ID, ScheduleRef, KeyID, Binding, State string
	Rebound, Remaining                     int
	Affected                               Affected
	OnDelete, OnRotate                     *Affected
	// Rotated is the key that a rotation phased out, PhasedOut those that a view
	// shows: both are phasedOut in the answer.
	Rotated   Key   `json:"-"`
	PhasedOut []Key `json:"-"`
}

// Key is a key in an answer.
type Key struct{ ID, Name, Status string }

func answerOf(status int, body string) Answer {
	a := Answer{Status: status, Text: body}
	if body == "" {
		return a
	}
	var phasedOut struct{ PhasedOut json.RawMessage }
	if json.Unmarshal([]byte(body), &a) != nil || json.Unmarshal([]byte(body), &phasedOut) != nil {
		return Answer{Text: "not JSON: " + body}
	}
	if json.Unmarshal(phasedOut.PhasedOut, &a.PhasedOut) != nil {
		_ = json.Unmarshal(phasedOut.PhasedOut, &a.Rotated)
	}
	return a
}

// Affected is what a change hits, as the API shows it.
type Affected struct {
	Schedules               []struct{ ID, State string }
	Runs                    []struct{ Ref, JobID string }
	ScheduleCount, RunCount int
}
