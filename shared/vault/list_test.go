package vault_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/vault"
)

// open opens a secret of a new key, which no ring names.
func (s *scene) open() vault.Secret {
	s.t.Helper()
	material, err := s.vault.Open(s.t.Context(), s.credential())
	if err != nil {
		s.t.Fatal(err)
	}
	return vault.Secret{ARN: material.SecretARN, Locator: owner.Locator(), KeyID: material.KeyID}
}

// listAll lists page by page, and counts the pages.
func (s *scene) listAll() (all []vault.Secret, pages int) {
	s.t.Helper()
	for token := ""; pages == 0 || token != ""; pages++ {
		page, next, err := s.vault.List(s.t.Context(), token)
		if err != nil {
			s.t.Fatal(err)
		}
		all, token = append(all, page...), next
	}
	return all, pages
}

func TestListHasEverySecretOfTheVaultOnce(t *testing.T) {
	for _, c := range []struct{ secrets, pageSize, pages int }{
		{0, 100, 1}, {1, 100, 1}, {100, 100, 1}, {101, 100, 2}, {5, 2, 3}, {4, 2, 2},
	} {
		t.Run(fmt.Sprint(c.secrets, " secrets, ", c.pageSize, " at a time"), func(t *testing.T) {
			s := newScene(t)
			s.engine.SetPageSize(c.pageSize)
			var want []vault.Secret
			for range c.secrets {
				want = append(want, s.open())
			}
			s.engine.Transport.TakeCalls()
			got, pages := s.listAll()
			if diff := cmp.Diff(want, got); diff != "" || pages != c.pages {
				t.Errorf("%d pages, -want +got: %s", pages, diff)
			}
			if calls := s.engine.Transport.TakeCalls(); !slices.Equal(calls, slices.Repeat([]string{"ListSecrets"}, c.pages)) {
				t.Errorf("calls: %v", calls)
			}
		})
	}
}

// Whoever removes what the list has must not find what is somebody else's in it.
func TestListLeavesOutWhatTheVaultHasNotMade(t *testing.T) {
	s := newScene(t)
	ours := s.open()
	locator, id := owner.Locator().String(), s.credential().KeyID().String()
	for _, name := range []string{
		"test", "test/", "test/settings", "test/" + locator, "test/" + locator + "/", "test/" + locator + "/key-1", "test//" + id,
		"test/owner/" + id, "test/" + locator + "/" + id + "/copy", "test/" + locator + "/" + id + "x", "test/" + id + "/" + locator,
		"test2/" + locator + "/" + id, "other/test/" + locator + "/" + id, "testing/" + locator + "/" + id, "Test/" + locator + "/" + id,
	} {
		_, err := s.engine.Client().CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
			Name: &name, SecretString: aws.String("x"), ClientRequestToken: &id,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	got, _ := s.listAll()
	if diff := cmp.Diff([]vault.Secret{ours}, got); diff != "" {
		t.Error(diff)
	}
}

// Nor does it rely on what it asked for: some emulators list everything.
func TestListLeavesOutWhatItDidNotAskFor(t *testing.T) {
	s := newScene(t)
	locator, id := owner.Locator().String(), s.credential().KeyID().String()
	names := []string{locator + "/" + id, "other/" + locator + "/" + id, "test2/" + locator + "/" + id, ""}
	var listed []map[string]string
	for _, name := range names {
		listed = append(listed, map[string]string{"ARN": "arn:" + name, "Name": name})
	}
	s.engine.Transport.SetFault(func(awstest.Call, func() (*http.Response, error)) (*http.Response, error) {
		return awstest.Answer(http.StatusOK, map[string]any{"SecretList": append(listed, map[string]string{})}), nil
	})
	if got, _ := s.listAll(); len(got) != 0 {
		t.Errorf("listed %+v", got)
	}
}

func TestListHasNoDeletedSecret(t *testing.T) {
	s := newScene(t)
	gone, kept := s.open(), s.open()
	if err := s.vault.Delete(t.Context(), gone.ARN); err != nil {
		t.Fatal(err)
	}
	got, _ := s.listAll()
	if diff := cmp.Diff([]vault.Secret{kept}, got); diff != "" {
		t.Error(diff)
	}
}

// A list asks for as many as there may be in a page, and only for its own.
func TestListAsksForItsOwnSecretsOnly(t *testing.T) {
	s := newScene(t)
	var asked map[string]any
	s.engine.Transport.SetFault(func(call awstest.Call, next func() (*http.Response, error)) (*http.Response, error) {
		if err := json.Unmarshal(call.Body, &asked); err != nil {
			t.Error(err)
		}
		return next()
	})
	s.listAll()
	want := map[string]any{
		"MaxResults": 100.0, "SortOrder": "asc", "Filters": []any{map[string]any{"Key": "name", "Values": []any{"test/"}}},
	}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Error(diff)
	}
}

// A walk that was broken off may go on when its token is over.
func TestListBeginsAnewWhenItsTokenIsOver(t *testing.T) {
	s := newScene(t)
	want := []vault.Secret{s.open(), s.open()}
	s.engine.Transport.TakeCalls()
	got, next, err := s.vault.List(t.Context(), "of yesterday")
	if diff := cmp.Diff(want, got); diff != "" || next != "" || err != nil {
		t.Errorf("next %q, %v, %s", next, err, diff)
	}
	if calls := s.engine.Transport.TakeCalls(); len(calls) != 2 {
		t.Errorf("calls: %v", calls)
	}
}

func TestListUnderFaults(t *testing.T) {
	for name, c := range map[string]struct {
		fault awstest.Fault
		code  apikey.Code
	}{
		"down":             {awstest.Reset, apikey.CodeUnavailable},
		"failing":          {awstest.Refuse(500, "InternalServiceError"), apikey.CodeUnavailable},
		"throttled":        {awstest.Refuse(400, "ThrottlingException"), apikey.CodeUnavailable},
		"access denied":    {awstest.Refuse(400, "AccessDeniedException"), apikey.CodeUnavailable},
		"no token helps":   {awstest.Refuse(400, "InvalidNextTokenException"), apikey.CodeUnavailable},
		"loses answers":    {awstest.LoseAnswer, apikey.CodeUnavailable},
		"fails once":       {awstest.Once(awstest.Reset), ""},
		"throttled once":   {awstest.Once(awstest.Refuse(400, "ThrottlingException")), ""},
		"loses one answer": {awstest.Once(awstest.LoseAnswer), ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				s.engine.SetPageSize(1)
				want := []vault.Secret{s.open(), s.open()}[:1]
				if c.code != "" {
					want = nil
				}
				s.engine.Transport.SetFault(c.fault)
				got, next, err := s.vault.List(t.Context(), "")
				if apikey.CodeOf(err) != c.code || (next != "") != (c.code == "") {
					t.Errorf("next %q, %v", next, err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestAListThatHangsIsUnavailableWhenItsRequestEnds(t *testing.T) {
	for name, c := range map[string]struct {
		fault awstest.Fault
		limit time.Duration
	}{
		"hangs":               {awstest.Hang, time.Second},
		"its answer hangs":    {awstest.HoldAnswer, time.Second},
		"it was over already": {awstest.LoseAnswer, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				s.open()
				s.engine.Transport.SetFault(c.fault)
				ctx, cancel := context.WithTimeout(t.Context(), c.limit)
				defer cancel()
				began := time.Now()
				_, _, err := s.vault.List(ctx, "")
				if apikey.CodeOf(err) != apikey.CodeUnavailable || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("answered %v", err)
				}
				if took := time.Since(began); took != c.limit {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}
