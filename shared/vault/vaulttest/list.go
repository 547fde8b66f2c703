package vaulttest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxPageSize is how many secrets are listed at a time, unless SetPageSize says
// otherwise.
const maxPageSize = 100

// SetPageSize has a page of the list look at n secrets at most, however many are
// asked for: as on AWS, a page may have fewer, or none, and yet there are more.
func (e *Engine) SetPageSize(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pageSize = n
}

type filter struct {
	Key    string
	Values []string
}

// list lists the secrets whose name begins so, in the order in which they were
// made. A token is where to go on, so that a page misses and repeats nothing when
// secrets come and go.
func (e *Engine) list(q request) (any, *refusal) {
	behind := 0
	if q.NextToken != "" {
		var err error
		if behind, err = strconv.Atoi(q.NextToken); err != nil {
			return nil, refuse("InvalidNextTokenException", "The NextToken value is invalid.")
		}
	}
	if q.MaxResults < 1 || q.MaxResults > maxPageSize {
		return nil, refuse("ValidationException", "maxResults must be from 1 to 100")
	}
	if len(q.Filters) != 1 || q.Filters[0].Key != "name" || len(q.Filters[0].Values) != 1 || q.SortOrder != "asc" {
		return nil, refuse("InvalidParameterException", "the engine lists by the beginning of a name, the oldest first")
	}
	beginning := q.Filters[0].Values[0]
	listed, looked := []map[string]any{}, 0
	first, _ := slices.BinarySearchFunc(e.order, behind+1, func(s *secret, made int) int { return s.made - made })
	for _, s := range e.order[first:] {
		if looked == min(q.MaxResults, e.pageSize) {
			return map[string]any{"SecretList": listed, "NextToken": fmt.Sprint(behind)}, nil
		}
		behind = s.made
		if looked++; strings.HasPrefix(s.name, beginning) {
			listed = append(listed, map[string]any{"ARN": s.arn, "Name": s.name})
		}
	}
	return map[string]any{"SecretList": listed}, nil
}
