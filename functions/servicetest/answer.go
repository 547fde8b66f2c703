package servicetest

import (
	"encoding/json"

	"github.com/aws/aws-lambda-go/events"
)

// Answer is an answer of the service: the fields of all bodies together.
type Answer struct {
	Status     int    `json:"-"`
	RetryAfter string `json:"-"`
	// Text is the body as it came, or what a failed function told.
	Text string `json:"-"`

	Code       string
	Revision   int64
	Key        Key
	Credential string
	Active     *Key
	Deleted    []Key
	Allowed    bool
	Reason     string
	Changes    []struct{ Revision int64 }
	// Rotated is the key that a rotation phased out, PhasedOut those that a view
	// shows: both are phasedOut in the answer.
	Rotated   Key   `json:"-"`
	PhasedOut []Key `json:"-"`
}

// Key is a key in an answer.
type Key struct{ ID, Name, Status string }

func httpAnswer(payload []byte) Answer {
	var response events.APIGatewayProxyResponse
	if err := json.Unmarshal(payload, &response); err != nil {
		return Answer{Text: err.Error()}
	}
	a := answerOf(response.StatusCode, response.Body)
	a.RetryAfter = response.Headers["Retry-After"]
	return a
}

func answerOf(status int, body string) Answer {
	a := Answer{Status: status, Text: body}
	var phasedOut struct{ PhasedOut json.RawMessage }
	if json.Unmarshal([]byte(body), &a) != nil || json.Unmarshal([]byte(body), &phasedOut) != nil {
		return Answer{Text: "not JSON: " + body}
	}
	if json.Unmarshal(phasedOut.PhasedOut, &a.PhasedOut) != nil {
		_ = json.Unmarshal(phasedOut.PhasedOut, &a.Rotated)
	}
	return a
}
