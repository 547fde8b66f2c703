package lifecycle

import (
	"io"
	"log/slog"
	"time"

	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/jobauth"
	"github.com/userapikey/service/shared/store"
	"github.com/userapikey/service/shared/vault"
)

// Service changes keys.
type Service struct {
	Rings  *store.Store
	Vault  *vault.Vault
	Now    func() time.Time
	Random io.Reader
	Log    *slog.Logger
}

// Issued is the answer to a create or rotate.
type Issued struct {
	Key apikey.Key
	// PhasedOut is the key that a rotation replaced; nil after a create.
	PhasedOut *apikey.Key
	// Credential is the new key's; the zero value when this replays a change
	// whose key is no longer Active.
	Credential apikey.Credential
	// Affected are the schedules that a rotation stopped.
	Affected apikey.AffectedSchedules
	Revision int64
	// Replayed means that an earlier request with the same idempotency key made
	// the change.
	Replayed bool
}

// Deleted is the answer to a deletion.
type Deleted struct {
	// Keys are the deleted keys, as they last were; none when there was nothing
	// to delete.
	Keys []apikey.Key
	// Affected is what the deletion hit.
	Affected jobauth.Affected
	Revision int64
}
