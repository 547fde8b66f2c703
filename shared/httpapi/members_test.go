package httpapi_test

import (
	"errors"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
)

// What is within a member is left to who decodes that.
func TestMembersAreReadAsTheyAre(t *testing.T) {
	for _, c := range []struct{ body, list, other string }{
		{`{"list":[1,{"a":1,"a":2}],"other":null}`, `[1,{"a":1,"a":2}]`, `null`},
		{` { "other" : "x" , "list" : [ "\ud800" ] } ` + "\n", `[ "\ud800" ]`, `"x"`},
		{"{\"list\":[\"\xff\"]}", "[\"\xff\"]", ``},
		{`{}`, ``, ``},
		{`{"l\u0069st":{}}`, `{}`, ``},
	} {
		var list, other jsontext.Value
		err := httpapi.DecodeMembers([]byte(c.body), map[string]*jsontext.Value{"list": &list, "other": &other})
		if err != nil || string(list) != c.list || string(other) != c.other {
			t.Errorf("%s: %s, %s, %v", c.body, list, other, err)
		}
	}
}

func TestWhatIsNoObjectOfKnownMembersIsRefused(t *testing.T) {
	type wrong struct{ Field, Detail string }
	for body, want := range map[string]wrong{
		``:                             {"body", "must be a JSON object"},
		`null`:                         {"body", "must be a JSON object"},
		`[]`:                           {"body", "must be a JSON object"},
		`"x"`:                          {"body", "must be a JSON object"},
		`{"list":[],"list":[]}`:        {"list", "is given twice"},
		`{"list":[],"l\u0069st":[]}`:   {"list", "is given twice"},
		`{"List":[]}`:                  {"List", "is no field of this request"},
		`{"more":1}`:                   {"more", "is no field of this request"},
		`{"":1}`:                       {`""`, "is no field of this request"},
		`{"list":[]}{}`:                {"body", "is not valid JSON"},
		`{"list":[]} x`:                {"body", "is not valid JSON"},
		`{"list":[]`:                   {"body", "is not valid JSON"},
		`{"list":[1,]}`:                {"list", "is not valid JSON"},
		`{"list":[{"a":tru}]}`:         {"list.0.a", "is not valid JSON"},
		`{"list":`:                     {"list", "is not valid JSON"},
		`{list:[]}`:                    {"body", "is not valid JSON"},
		`{"list":[],}`:                 {"body", "is not valid JSON"},
		`{7:[]}`:                       {"body", "is not valid JSON"},
		"\ufeff" + `{"list":[]}`:       {"body", "must be a JSON object"},
		"{\"li\xffst\":[]}":            {"li\ufffdst", "is no field of this request"},
		`{"list":[1],"more":2,"x":[]}`: {"more", "is no field of this request"},
	} {
		var list jsontext.Value
		err := httpapi.DecodeMembers([]byte(body), map[string]*jsontext.Value{"list": &list})
		refusal, ok := errors.AsType[*apikey.Error](err)
		if !ok || refusal.Code != apikey.CodeInvalidRequest {
			t.Errorf("%s: %v", body, err)
			continue
		}
		if diff := cmp.Diff(want, wrong{refusal.Field, refusal.Detail}); diff != "" {
			t.Errorf("%s: want (-) and refused with (+): %s", body, diff)
		}
	}
}
