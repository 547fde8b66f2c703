package jobauth

// The reasons for which a request of a batch has no decision: those of decisions
// are Reasons.
const (
	// InvalidRequest: the form of the request is wrong.
	InvalidRequest Reason = "invalid_request"
	// Unavailable: what the decision needs cannot be reached at the moment.
	Unavailable Reason = "unavailable"
)
