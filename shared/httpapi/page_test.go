package httpapi_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/httpapi"
)

// listing is a scene whose handler answers a listing of that name in pages, and
// the page that it was asked for.
func listing(t testing.TB, name string) (*scene, *httpapi.Page) {
	s, got := newScene(t), new(httpapi.Page)
	s.query = httpapi.PageQuery
	s.handle = func(_ context.Context, r *httpapi.Request) (httpapi.Response, error) {
		page, err := r.Page(name)
		*got = page
		return httpapi.Response{Status: http.StatusOK, Body: struct{}{}}, err
	}
	return s, got
}

func askingFor(name, value string) events.APIGatewayProxyRequest {
	return asking(map[string][]string{name: {value}})
}

// cursorOf is a cursor as Ada gets it from the listing.
func cursorOf(t testing.TB, name, position string) string {
	t.Helper()
	s, page := listing(t, name)
	s.send(post("")).wantOK()
	return page.Cursor(position)
}

// moved is the cursor with another position and the old binding.
func moved(t testing.TB, cursor, position string) string {
	t.Helper()
	decoded, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(append(decoded[:8], position...))
}

func TestPageIsTheFirst50UnlessItIsAskedOtherwise(t *testing.T) {
	s, page := listing(t, "history")
	s.send(post("")).wantOK()
	if page.Limit != 50 || page.After != "" {
		t.Errorf("%+v", page)
	}
}

func TestLimitIsAWholeNumberFrom1To100(t *testing.T) {
	for _, limit := range []string{"1", "2", "50", "99", "100"} {
		s, page := listing(t, "history")
		s.send(askingFor("limit", limit)).wantOK()
		if strconv.Itoa(page.Limit) != limit {
			t.Errorf("%s is understood as %d", limit, page.Limit)
		}
	}
	for _, limit := range []string{
		"", " ", "0", "-1", "-0", "101", "1000", "18446744073709551617", "abc", "1e1", "1.0", "10.", "+10", "010", "00", "0x10", "1_0",
		" 10", "10 ", "10\n", "1 0", "10,20", "٣", "１０", "null", "NaN", "10\x00",
	} {
		t.Run(limit, func(t *testing.T) {
			s, _ := listing(t, "history")
			s.send(askingFor("limit", limit)).wantInvalid("limit")
		})
	}
}

func TestCursorLeadsBackToItsPosition(t *testing.T) {
	for _, position := range []string{"1", "42", "9999999999", "nightly-training", "a", "ä", "a\x00b", "\xff", strings.Repeat("x", 300)} {
		cursor := cursorOf(t, "history", position)
		s, page := listing(t, "history")
		s.send(askingFor("cursor", cursor)).wantOK()
		if page.After != position {
			t.Errorf("%q came back as %q", position, page.After)
		}
		if strings.Trim(cursor, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("%q has to be escaped in a URL", cursor)
		}
	}
}

func TestCursorThatIsNoneIsRefused(t *testing.T) {
	good := cursorOf(t, "history", "42")
	for name, cursor := range map[string]string{
		"empty":                 "",
		"a position":            "42",
		"cut off":               good[:len(good)-1],
		"cut off in front":      good[1:],
		"cut to its binding":    good[:11],
		"extended":              good + "A",
		"twice":                 good + good,
		"padded":                good + "==",
		"with a line break":     good[:4] + "\n" + good[4:],
		"with a return":         good + "\r",
		"with a blank":          " " + good,
		"with surplus bits":     good[:len(good)-1] + string(good[len(good)-1]+1),
		"in capitals":           strings.ToUpper(good),
		"in base64's alphabet":  "+/+/" + good[4:],
		"of zeros":              strings.Repeat("A", len(good)),
		"null":                  "null",
		"of no ASCII":           "ä",
		"a UUID":                "01a19d26-820f-7e18-9a3d-4169f6b09879",
		"of another position":   moved(t, good, "43"),
		"a table's own key":     `{"pk":{"S":"OWNER#885acf82e6c2304dd60226e9071f4657"},"sk":{"S":"EVENT#0000000042"}}`,
		"of no position":        cursorOf(t, "history", ""),
		"a binding without end": base64.RawURLEncoding.EncodeToString(make([]byte, 8)),
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := listing(t, "history")
			s.send(askingFor("cursor", cursor)).wantInvalid("cursor")
		})
	}
}

func TestCursorIsGoodForItsListingOnly(t *testing.T) {
	for name, other := range map[string]string{
		"history": "schedules", "schedules": "history", "histor": "history", "historyy": "history", "changes": "history", "": "history",
	} {
		s, _ := listing(t, name)
		s.send(askingFor("cursor", cursorOf(t, other, "42"))).wantInvalid("cursor")
	}
}

// The same person in another account is another caller.
func TestCursorIsGoodForItsCallerOnly(t *testing.T) {
	cursor := cursorOf(t, "history", "42")
	for _, owner := range []apikey.Owner{
		{AccountID: "account-2", IAMID: ada.IAMID, Username: ada.Username},
		{AccountID: ada.AccountID, IAMID: "IBMid-2", Username: ada.Username},
	} {
		s, _ := listing(t, "history")
		s.principal = func(context.Context, string) (apikey.Principal, error) { return apikey.Principal{Owner: owner}, nil }
		s.send(askingFor("cursor", cursor)).wantInvalid("cursor")
	}
	renamed := ada
	renamed.Username = "ada.lovelace@example.com"
	s, _ := listing(t, "history")
	s.principal = func(context.Context, string) (apikey.Principal, error) { return apikey.Principal{Owner: renamed}, nil }
	s.send(askingFor("cursor", cursor)).wantOK()
}

// One bit of a cursor changed, anywhere, is another cursor.
func TestNoCharacterOfACursorCanBeChanged(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	good := cursorOf(t, "history", "42")
	s, _ := listing(t, "history")
	for i := range good {
		for _, other := range alphabet {
			if byte(other) == good[i] {
				continue
			}
			s.send(askingFor("cursor", good[:i]+string(other)+good[i+1:])).wantInvalid("cursor")
		}
	}
}

// Which of two values another party on the way went by cannot be known.
func TestParameterGivenTwiceIsRefusedUnlessTheValuesAreTheSame(t *testing.T) {
	for name, values := range map[string][2]string{
		"limit":  {"10", "20"},
		"cursor": {cursorOf(t, "history", "42"), cursorOf(t, "history", "41")},
	} {
		s, _ := listing(t, "history")
		s.send(asking(map[string][]string{name: {values[0], values[1]}})).wantInvalid(name)
		s.send(asking(map[string][]string{name: {values[0], ""}})).wantInvalid(name)
		s.send(asking(map[string][]string{name: {"", values[0]}})).wantInvalid(name)
		s.send(asking(map[string][]string{name: {values[0], values[0]}})).wantOK()
	}
}

// What sends the last values only, as some emulators do, is understood too.
func TestPageIsReadFromSingleValuesToo(t *testing.T) {
	s, page := listing(t, "history")
	event := post("")
	event.QueryStringParameters = map[string]string{"limit": "7", "cursor": cursorOf(t, "history", "42")}
	s.send(event).wantOK()
	if page.Limit != 7 || page.After != "42" {
		t.Errorf("%+v", page)
	}
}

// FuzzPage: what is accepted as limit and cursor is written back as the same
// text. Every cursor is tried with its right binding as well, because hardly any
// would get past the binding.
func FuzzPage(f *testing.F) {
	f.Fuzz(func(t *testing.T, limit, cursor string) {
		s, page := listing(t, "history")
		cursors := []string{cursor}
		if decoded, err := base64.RawURLEncoding.DecodeString(cursor); err == nil && len(decoded) > 8 {
			cursors = append(cursors, cursorOf(t, "history", string(decoded[8:])))
		}
		for _, cursor := range cursors {
			got := s.send(asking(map[string][]string{"limit": {limit}, "cursor": {cursor}}))
			p := got.problem()
			switch {
			case got.status == http.StatusBadRequest && p.Code == apikey.CodeInvalidRequest && (p.Field == "limit" || p.Field == "cursor"):
			case got.status != http.StatusOK:
				t.Errorf("%q, %q: answered %d %s", limit, cursor, got.status, got.body)
			case strconv.Itoa(page.Limit) != limit || page.Cursor(page.After) != cursor || page.After == "":
				t.Errorf("%q, %q: understood as %+v", limit, cursor, *page)
			case page.Limit < 1 || page.Limit > httpapi.MaxPageLimit:
				t.Errorf("limit %d", page.Limit)
			}
		}
	})
}
