package vault_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
)

// Every secret of the owner is a witness, on whatever page it is listed; only the
// one that the ring names tells what is current.
func TestRemainsAreOfEverySecretOfTheOwner(t *testing.T) {
	s := newScene(t)
	s.create()
	s.rotate()
	staged := s.stage()
	other, another := s.open(), s.open()
	s.engine.SetPageSize(1)
	remains, err := s.vault.Remains(t.Context(), s.ring)
	if err != nil {
		t.Fatal(err)
	}
	if !remains.HasSecret || remains.Current != s.engine.Labels(s.ring.SecretARN)["AWSCURRENT"] {
		t.Errorf("they are %+v", remains)
	}
	if diff := cmp.Diff([]apikey.KeyID{other.KeyID, another.KeyID}, remains.Opened); diff != "" {
		t.Errorf("opened (-want +got): %s", diff)
	}
	if !slices.Contains(remains.Staged, staged.KeyID) {
		t.Errorf("staged are %v", remains.Staged)
	}
	var labelled []string
	for _, arn := range []string{s.ring.SecretARN, other.ARN, another.ARN} {
		for _, version := range s.engine.Labels(arn) {
			labelled = append(labelled, version)
		}
	}
	slices.Sort(labelled)
	sorted := cmpopts.SortSlices(func(a, b string) bool { return a < b })
	if diff := cmp.Diff(slices.Compact(labelled), remains.Labelled, sorted); diff != "" {
		t.Errorf("labelled (-want +got): %s", diff)
	}
}

// A secret that is to be deleted, at once or in days, is no witness for its keys.
func TestASecretThatIsBeingDeletedIsGone(t *testing.T) {
	s := newScene(t)
	s.create()
	for name, answer := range map[string]func() *http.Response{
		"deleted in a week": func() *http.Response {
			return awstest.Answer(http.StatusOK, map[string]any{
				"ARN": s.ring.SecretARN, "DeletedDate": 1.7936379e9, "VersionIdsToStages": map[string][]string{"v": {"AWSCURRENT"}},
			})
		},
		"gone": func() *http.Response {
			return awstest.Answer(http.StatusBadRequest, map[string]string{"__type": "ResourceNotFoundException"})
		},
	} {
		s.engine.Transport.SetFault(func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
			if call.Operation == "DescribeSecret" {
				return answer(), nil
			}
			return next()
		})
		remains, err := s.vault.Remains(t.Context(), s.ring)
		if err != nil || remains.HasSecret || len(remains.Labelled) > 0 {
			t.Errorf("%s: %+v, %v", name, remains, err)
		}
	}
}
