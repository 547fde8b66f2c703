package main

import (
	"bytes"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
	"github.com/userapikey/service/shared/lifecycle"
	"github.com/userapikey/service/shared/store"
	"github.com/userapikey/service/shared/store/storetest"
	"github.com/userapikey/service/shared/vault"
	"github.com/userapikey/service/shared/vault/vaulttest"
)

const prefix = "user-api-key/test"

// restoredTable has a key that was rotated away since; the environment leads to it.
func restoredTable(t *testing.T) (keys *lifecycle.Service, owner apikey.Owner, getenv func(string) string) {
	t.Helper()
	table, secrets := storetest.NewEngine(), vaulttest.NewEngine()
	owner = storetest.NewOwner(t)
	keys = &lifecycle.Service{
		Rings: store.New(table.Client(), storetest.Table, time.Now, rand.Reader), Vault: vault.New(secrets.Client(), prefix, time.Now),
		Now: time.Now, Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
	}
	request := apikey.ChangeRequest{Owner: owner, Actor: apikey.Actor{Kind: apikey.ActorUser, ID: owner.IAMID}, CorrelationID: "request-1"}
	if _, err := keys.Create(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	restore := table.Backup()
	if _, err := keys.Rotate(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	restore()
	addresses := map[string]string{}
	for service, engine := range map[string]http.RoundTripper{"DYNAMODB": table, "SECRETS_MANAGER": secrets} {
		server := httptest.NewServer(awstest.Handler(engine))
		t.Cleanup(server.Close)
		addresses["AWS_ENDPOINT_URL_"+service] = server.URL
	}
	return keys, owner, func(name string) string {
		if address := addresses[name]; address != "" {
			return address
		}
		return awstest.Getenv(name)
	}
}

func TestWhatWouldChangeIsToldBeforeItIsChanged(t *testing.T) {
	keys, owner, getenv := restoredTable(t)
	args := []string{"-table", storetest.Table, "-prefix", prefix, "-to", time.Now().UTC().Format(time.RFC3339)}
	for _, c := range []struct {
		flags    []string
		told     string
		revision int64
	}{
		{nil, "1 users looked at: 0 keys to delete, 1 to phase out.\nNothing was changed; -apply does it.\n", 1},
		{[]string{"-apply"}, "1 users looked at: 0 keys deleted, 1 phased out.\n", 2},
		{[]string{"-apply"}, "1 users looked at: 0 keys deleted, 0 phased out.\n", 2},
	} {
		var told, log bytes.Buffer
		err := run(t.Context(), append(args, c.flags...), getenv, &told, &log)
		ring, ringErr := keys.Rings.Ring(t.Context(), owner.Locator())
		if err != nil || ringErr != nil || !strings.HasSuffix(told.String(), c.told) || ring.Revision != c.revision {
			t.Errorf("%v: %v, %v, revision %d, told %q, logged %q", c.flags, err, ringErr, ring.Revision, told.String(), log.String())
		}
	}
}

// What was not understood, or cannot be reached, is no success.
func TestARestoreThatCouldNotCompareIsNoSuccess(t *testing.T) {
	keys, owner, getenv := restoredTable(t)
	now := time.Now().UTC()
	for name, args := range map[string][]string{
		"no table":         {"-prefix", prefix, "-to", now.Format(time.RFC3339)},
		"no prefix":        {"-table", storetest.Table, "-to", now.Format(time.RFC3339)},
		"another stack's":  {"-table", storetest.Table, "-prefix", prefix + "-2", "-to", now.Format(time.RFC3339)},
		"half a name":      {"-table", storetest.Table, "-prefix", "user-api-key", "-to", now.Format(time.RFC3339)},
		"no instant":       {"-table", storetest.Table, "-prefix", prefix},
		"without a zone":   {"-table", storetest.Table, "-prefix", prefix, "-to", now.Format("2006-01-02T15:04:05")},
		"one to come":      {"-table", storetest.Table, "-prefix", prefix, "-to", now.Add(time.Hour).Format(time.RFC3339)},
		"another table":    {"-table", "other", "-prefix", prefix, "-to", now.Format(time.RFC3339)},
		"an unknown flag":  {"-table", storetest.Table, "-prefix", prefix, "-to", now.Format(time.RFC3339), "-force"},
		"writes of nobody": {"-table", storetest.Table, "-prefix", prefix, "-to", now.Format(time.RFC3339), "-writes", "many"},
	} {
		var told, log bytes.Buffer
		if err := run(t.Context(), append(args, "-apply"), getenv, &told, &log); err == nil {
			t.Errorf("%s: told %q", name, told.String())
		}
	}
	if err := tell(io.Discard, lifecycle.AllRestored{Rings: 2, Failed: 1}, true); err == nil {
		t.Error("a user who could not be compared is a success")
	}
	if ring, err := keys.Rings.Ring(t.Context(), owner.Locator()); err != nil || ring.Revision != 1 {
		t.Errorf("the ring is at revision %d, %v", ring.Revision, err)
	}
}
