package httpapi

import (
	"maps"
	"slices"

	"github.com/userapikey/service/shared/apikey"
)

// checkQuery refuses query parameters other than those that are known: one that
// was ignored would leave its sender believing in it. Of several, the first in
// the order of the alphabet is named.
func (r *Request) checkQuery(known []string) error {
	names := slices.AppendSeq(slices.Collect(maps.Keys(r.event.QueryStringParameters)), maps.Keys(r.event.MultiValueQueryStringParameters))
	slices.Sort(names)
	for _, name := range names {
		if !slices.Contains(known, name) {
			return apikey.Invalid(name, "is no query parameter of this operation")
		}
	}
	return nil
}

// query is the query parameter's only value, and whether there is one: it can
// be there and be empty. One that comes twice with different values is refused,
// as a header is. Errors: invalid_request.
func (r *Request) query(name string) (value string, given bool, err error) {
	values := r.event.MultiValueQueryStringParameters[name]
	if len(values) == 0 {
		value, given = r.event.QueryStringParameters[name]
		return value, given, nil
	}
	value, err = onlyValue(name, values)
	return value, true, err
}
