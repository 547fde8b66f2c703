package apikey

import (
	"errors"
	"strings"
	"time"
)

// Code is the stable name of a refusal. Clients branch on it; its meaning never
// changes.
type Code string

// The refusals of the domain and of what stands around it. The HTTP layer has
// one table from these to statuses.
const (
	// CodeActiveKeyExists refuses a create: the owner has an Active key.
	CodeActiveKeyExists Code = "active_key_exists"
	// CodeOwnerSuspended refuses a create, and what administrators do: the owner, or
	// the administrator, was off-boarded.
	CodeOwnerSuspended Code = "owner_suspended"
	// CodeNoActiveKey refuses a rotation: there is nothing to rotate.
	CodeNoActiveKey Code = "no_active_key"
	// CodeTooManyPhasedOutKeys refuses a rotation: MaxPhasedOut are kept.
	CodeTooManyPhasedOutKeys Code = "too_many_phased_out_keys"
	// CodeKeyActive refuses to delete one key: it is the Active one.
	CodeKeyActive Code = "key_active"
	// CodeKeyNotFound means: the caller has no such key.
	CodeKeyNotFound Code = "key_not_found"
	// CodeRotationRateExceeded refuses a create or rotation: the allowance is used up.
	CodeRotationRateExceeded Code = "rotation_rate_exceeded"
	// CodeRevisionMismatch means: the ring is not at the revision that If-Match names.
	CodeRevisionMismatch Code = "revision_mismatch"
	// CodeIdempotencyKeyReused means: the Idempotency-Key was used for another operation.
	CodeIdempotencyKeyReused Code = "idempotency_key_reused"
	// CodeKeyNotActive refuses to pin a schedule: the key is not Active.
	CodeKeyNotActive Code = "key_not_active"
	// CodeScheduleNotFound means: the caller has no such schedule.
	CodeScheduleNotFound Code = "schedule_not_found"
	// CodeTooManySchedules refuses to bind another one: MaxSchedules are bound.
	CodeTooManySchedules Code = "too_many_schedules"
	// CodeRunNotFound means: the caller knows of no such run.
	CodeRunNotFound Code = "run_not_found"
	// CodeUserNotFound means: the account has no such user.
	CodeUserNotFound Code = "user_not_found"
	// CodeConflict means: other changes of this owner kept winning; try again.
	CodeConflict Code = "conflict"
	// CodeUnavailable means: something this depends on cannot be reached. The
	// change may or may not have been made; an Idempotency-Key finds out.
	CodeUnavailable Code = "unavailable"
	// CodeInvalidRequest means: the request's form is wrong.
	CodeInvalidRequest Code = "invalid_request"
	// CodeUnauthenticated means: there is no token, or it does not hold.
	CodeUnauthenticated Code = "unauthenticated"
	// CodeRoleRequired means: the token holds but its roles do not suffice.
	CodeRoleRequired Code = "role_required"
	// CodeInternal means: a defect; the log has the cause.
	CodeInternal Code = "internal"
)

// Codes lists every code of this package, for tables that must be complete.
func Codes() []Code {
	return []Code{
		CodeActiveKeyExists, CodeOwnerSuspended, CodeNoActiveKey, CodeTooManyPhasedOutKeys,
		CodeKeyActive, CodeKeyNotFound, CodeRotationRateExceeded, CodeRevisionMismatch,
		CodeKeyNotActive, CodeScheduleNotFound, CodeTooManySchedules, CodeRunNotFound, CodeUserNotFound,
		CodeIdempotencyKeyReused, CodeConflict, CodeUnavailable, CodeInvalidRequest,
		CodeUnauthenticated, CodeRoleRequired, CodeInternal,
	}
}

// Error is a refusal with two texts: Detail is a sentence for the caller and
// holds nothing that the caller may not know; Cause is for the log.
type Error struct {
	Code   Code
	Detail string
	// Field is the request field that is wrong, as a path such as "owner.iamId";
	// set with CodeInvalidRequest only.
	Field string
	// RetryAfter is the time after which trying again makes sense; zero is
	// "no such time".
	RetryAfter time.Duration
	Cause      error
}

// Error is the text for the log, cause included.
func (e *Error) Error() string {
	text := string(e.Code) + ": "
	if e.Field != "" {
		text += e.ShownField() + " "
	}
	text += e.Detail
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Sentence is what the caller is told: which field is wrong, if it is one, and
// what is wrong. No credential is in it, whatever clients call their fields.
func (e *Error) Sentence() string {
	if e.Field == "" {
		return e.Detail
	}
	return e.ShownField() + " " + e.Detail + "."
}

// ShownField is the field's name, which a client may have made up, as it may be
// repeated: not a whole page of it.
func (e *Error) ShownField() string {
	const most = 100
	name := Redact(e.Field)
	if len(name) > most {
		name = strings.ToValidUTF8(name[:most], "") + "…" // half a character cannot be answered
	}
	return name
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// CodeOf returns the code of the first *Error in err's chain, CodeInternal when
// there is none, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}

func refuse(code Code, detail string) *Error { return &Error{Code: code, Detail: detail} }

// KeyNotFound is the error for a key that the caller does not have, whether it
// is another owner's or nobody's.
func KeyNotFound() *Error { return refuse(CodeKeyNotFound, "There is no such key.") }

// ScheduleNotFound is the error for a schedule that the caller does not have.
func ScheduleNotFound() *Error { return refuse(CodeScheduleNotFound, "There is no such schedule.") }

// RunNotFound is the error for a run that is unknown, ended, or not the caller's
// business.
func RunNotFound() *Error {
	return refuse(CodeRunNotFound, "There is no such run: it was never recorded, has ended, or is another account's.")
}

// UserNotFound is the error for a user of whom the account has never seen a key.
func UserNotFound() *Error {
	return refuse(CodeUserNotFound, "The account has no such user, or none who ever had a key.")
}

// Invalid is the error for a request field of the wrong form. A field can have
// an empty name, which is shown in quotes.
func Invalid(field, detail string) *Error {
	if field == "" {
		field = `""`
	}
	return &Error{Code: CodeInvalidRequest, Field: field, Detail: detail}
}

// Unavailable is the error for a dependency that cannot be reached. The caller
// is told what, not why.
func Unavailable(what string, cause error) *Error {
	return &Error{
		Code:       CodeUnavailable,
		Detail:     what + " cannot be reached at the moment. Try again; a change with the same Idempotency-Key is made once.",
		RetryAfter: 2 * time.Second,
		Cause:      cause,
	}
}
