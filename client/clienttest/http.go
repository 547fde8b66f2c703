package clienttest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/userapikey/service/client"
)

const (
	mostRequestBytes  = 16 << 10
	mostBatchBytes    = 256 << 10
	mostBatchRequests = 100
	mostLeaseSeconds  = int64(client.MaxLease / 1e9)
)

type requestBody struct {
	JobID        string           `json:"jobId"`
	RunID        *string          `json:"runId"`
	LeaseSeconds *int64           `json:"leaseSeconds"`
	JobType      client.JobType   `json:"jobType"`
	Service      string           `json:"service"`
	Trigger      client.Trigger   `json:"trigger"`
	Credential   *string          `json:"credential"`
	ScheduleRef  *string          `json:"scheduleRef"`
	Owner        *client.OwnerRef `json:"owner"`
}

// problem is an error of the API.
type problem struct {
	Type      string      `json:"type"`
	Title     string      `json:"title"`
	Status    int         `json:"status"`
	Code      client.Code `json:"code"`
	Detail    string      `json:"detail"`
	Field     string      `json:"field,omitempty"`
	RequestID string      `json:"requestId"`
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/job-authorizations", s.authorize)
	mux.HandleFunc("POST /v1/job-authorizations/batch", s.authorizeBatch)
	mux.HandleFunc("POST /v1/job-runs/{runRef}/renewal", s.renewRun)
	mux.HandleFunc("DELETE /v1/job-runs/{runRef}", s.endRun)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "not_found", "", "There is nothing at this path.")
	})
	return s.authenticated(mux)
}

func (s *Server) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		token := bearer(r)
		accepted := token != "" && (len(s.tokens) == 0 || slices.Contains(s.tokens, token))
		s.mu.Unlock()
		if !accepted {
			w.Header().Set("WWW-Authenticate", `Bearer realm="user-api-key", error="invalid_token"`)
			refuse(w, http.StatusUnauthorized, client.CodeUnauthenticated, "", "The token does not hold.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func bearer(r *http.Request) string {
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found {
		return ""
	}
	return token
}

func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	var body requestBody
	if !read(w, r, mostRequestBytes, &body) {
		return
	}
	if field, wrong := body.check(); wrong != "" {
		refuse(w, http.StatusBadRequest, client.CodeInvalidRequest, field, wrong)
		return
	}
	answer(w, http.StatusOK, "application/json", s.decide(body))
}

func (s *Server) authorizeBatch(w http.ResponseWriter, r *http.Request) {
	var body struct{ Requests []json.RawMessage }
	if !read(w, r, mostBatchBytes, &body) {
		return
	}
	if len(body.Requests) == 0 || len(body.Requests) > mostBatchRequests {
		refuse(w, http.StatusBadRequest, client.CodeInvalidRequest, "requests", "must be 1 to 100 requests")
		return
	}
	decisions := make([]client.Decision, len(body.Requests))
	for i, text := range body.Requests {
		var item requestBody
		field, wrong := decode(text, &item)
		if wrong == "" {
			field, wrong = item.check()
		}
		if wrong != "" {
			decisions[i] = client.Decision{Reason: client.InvalidRequest, Detail: field + " " + wrong}
			continue
		}
		decisions[i] = s.decide(item)
	}
	answer(w, http.StatusOK, "application/json", map[string]any{"decisions": decisions})
}

func (s *Server) renewRun(w http.ResponseWriter, r *http.Request) {
	var body struct{ LeaseSeconds *int64 }
	if r.ContentLength != 0 && !read(w, r, mostRequestBytes, &body) {
		return
	}
	if wrong := checkLease(body.LeaseSeconds); wrong != "" {
		refuse(w, http.StatusBadRequest, client.CodeInvalidRequest, "leaseSeconds", wrong)
		return
	}
	decision, found := s.renew(r.PathValue("runRef"), body.LeaseSeconds)
	if !found {
		refuseRun(w)
		return
	}
	answer(w, http.StatusOK, "application/json", decision)
}

func (s *Server) endRun(w http.ResponseWriter, r *http.Request) {
	if !s.end(r.PathValue("runRef")) {
		refuseRun(w)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// read decodes the body, or refuses the request.
func read(w http.ResponseWriter, r *http.Request, mostBytes int, into any) bool {
	text, err := io.ReadAll(r.Body)
	switch {
	case err != nil || len(text) > mostBytes:
		refuse(w, http.StatusRequestEntityTooLarge, client.CodePayloadTooLarge, "", "The body is too long.")
		return false
	case r.Header.Get("Content-Type") != "application/json":
		refuse(w, http.StatusUnsupportedMediaType, "unsupported_media_type", "", "Send application/json.")
		return false
	}
	if field, wrong := decode(text, into); wrong != "" {
		refuse(w, http.StatusBadRequest, client.CodeInvalidRequest, field, wrong)
		return false
	}
	return true
}

// decode tells which field is wrong, if any, and how.
func decode(text []byte, into any) (field, wrong string) {
	if !json.Valid(text) {
		return "body", "is not JSON"
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return cmp.Or(mismatch.Field, "body"), "has a wrong type"
	}
	if err != nil {
		name, _ := strings.CutPrefix(err.Error(), "json: unknown field ")
		return strings.Trim(name, `"`), "is not known"
	}
	return "", ""
}

// check tells which field's value is wrong, if any, and how.
func (b requestBody) check() (field, wrong string) {
	jobTypes := []client.JobType{client.ModelTraining, client.DecisionOptimization, client.DataStageFlow, client.Pipeline, client.RuntimeService}
	ofService := b.JobType == client.RuntimeService
	switch {
	case !isText(b.JobID, 256):
		return "jobId", "must be 1 to 256 printable characters"
	case b.RunID != nil && !isText(*b.RunID, 128):
		return "runId", "must be 1 to 128 printable characters"
	case b.RunID == nil && b.LeaseSeconds != nil:
		return "leaseSeconds", "goes with a runId only"
	case checkLease(b.LeaseSeconds) != "":
		return "leaseSeconds", checkLease(b.LeaseSeconds)
	case !slices.Contains(jobTypes, b.JobType):
		return "jobType", "is not one that there is"
	case ofService && !isText(b.Service, 128), !ofService && b.Service != "":
		return "service", "goes with the jobType runtime_service, and must be 1 to 128 printable characters"
	case b.Trigger != client.Scheduled && b.Trigger != client.AdHoc:
		return "trigger", "must be scheduled or ad_hoc"
	}
	return b.checkNaming()
}

// checkNaming tells whether the key is named in exactly one way.
func (b requestBody) checkNaming() (field, wrong string) {
	var given []string
	if b.Credential != nil {
		given = append(given, "credential")
	}
	if b.ScheduleRef != nil {
		given = append(given, "scheduleRef")
	}
	if b.Owner != nil {
		given = append(given, "owner")
	}
	switch {
	case len(given) == 0:
		return "credential", "or scheduleRef or owner is missing"
	case len(given) > 1:
		return given[1], "is given beside " + given[0]
	case b.Owner != nil && !isText(b.Owner.AccountID, 128):
		return "owner.accountId", "must be 1 to 128 printable characters"
	case b.Owner != nil && !isText(b.Owner.IAMID, 128):
		return "owner.iamId", "must be 1 to 128 printable characters"
	}
	return "", ""
}

func isText(text string, most int) bool {
	return text != "" && utf8.RuneCountInString(text) <= most &&
		!strings.ContainsFunc(text, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) })
}

func checkLease(seconds *int64) (wrong string) {
	if seconds != nil && (*seconds < 1 || *seconds > mostLeaseSeconds) {
		return fmt.Sprintf("must be 1 to %d", mostLeaseSeconds)
	}
	return ""
}

func refuseRun(w http.ResponseWriter) {
	refuse(w, http.StatusNotFound, client.CodeRunNotFound, "", "There is no such run, or it was ended.")
}

func refuse(w http.ResponseWriter, status int, code client.Code, field, detail string) {
	answer(w, status, "application/problem+json", problem{
		Type:  "https://github.com/userapikey/service/blob/main/docs/problems.md#" + string(code),
		Title: http.StatusText(status), Status: status, Code: code,
		Detail: strings.TrimSpace(field + " " + detail), Field: field, RequestID: "request-of-a-test",
	})
}

func answer(w http.ResponseWriter, status int, mediaType string, body any) {
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that has gone is nobody to tell
}
