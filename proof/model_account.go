package proof

import (
	"net/http"

	"github.com/userapikey/service/shared/apikey"
)

func (s state) setPolicy(r request, o outcome) (bool, state) {
	if s.policy == r.name {
		return o.Status == http.StatusOK && o.ETag == etag(s.revision), s
	}
	next := s
	next.revision++
	next.policy = r.name
	return o.changed().revision == next.revision && (o.lost || o.ETag == etag(next.revision)), next
}

// offBoard deletes all keys and suspends the user, in one change, also when there
// are no keys.
func (s state) offBoard(o outcome) (bool, state) {
	switch {
	case s.revision == 0:
		return o.refused(apikey.CodeUserNotFound), s
	case s.suspended:
		return o.Status == http.StatusOK && o.Revision == s.revision && len(o.Deleted) == 0, s
	}
	next := s.withoutKeys()
	next.revision++
	next.suspended = true
	return o.changed() == changed{revision: next.revision}, next
}

func (s state) reinstate(o outcome) (bool, state) {
	switch {
	case s.revision == 0:
		return o.refused(apikey.CodeUserNotFound), s
	case !s.suspended:
		return o.Status == http.StatusOK && o.ETag == etag(s.revision), s
	}
	next := s
	next.revision++
	next.suspended = false
	return o.changed().revision == next.revision && (o.lost || o.ETag == etag(next.revision)), next
}
