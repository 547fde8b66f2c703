package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/userapikey/service/shared/apikey"
)

const (
	// maxRepairRounds bounds a repair that others keep getting in the way of.
	maxRepairRounds = 10
	// abandonedAfter is the age at which a label that no ring explains is
	// taken for a leftover, not for a rotation under way.
	abandonedAfter = time.Hour
)

// Repair brings the secret's stages to what the ring says. It goes by the state
// it finds, not by what happened: it may run at any time, twice, or at once with
// itself and with rotations, and all of them come to the same end, because
// AWSCURRENT never returns to a version that lost it.
//
// readRing must read strongly consistently. A ring that names no secret needs
// no repair. Errors: what readRing or Secrets Manager answered, or that the secret
// stays as it is; see [IsLost].
func (v *Vault) Repair(ctx context.Context, readRing func(context.Context) (apikey.Ring, error)) error {
	for range maxRepairRounds {
		done, err := v.repairRound(ctx, readRing)
		if done || err != nil {
			return err
		}
	}
	return &lostError{what: fmt.Sprintf("the secret was not as its ring says after %d rounds of repair", maxRepairRounds)}
}

// repairRound reads ring, stages and ring again, and does what there is to do.
// It is done when there was nothing to do.
func (v *Vault) repairRound(ctx context.Context, readRing func(context.Context) (apikey.Ring, error)) (done bool, err error) {
	before, err := readRing(ctx)
	if err != nil {
		return false, err
	}
	if before.SecretARN == "" {
		return true, nil
	}
	labels, stagesErr := v.labels(ctx, before.SecretARN)
	if stagesErr != nil && !isGone(stagesErr) {
		return false, stagesErr
	}
	ring, err := readRing(ctx)
	switch {
	case err != nil:
		return false, err
	case ring.SecretARN != before.SecretARN:
		return false, nil
	case stagesErr != nil:
		return false, &lostError{"the secret that the ring of " + ring.Owner.Locator().String() + " names is gone", stagesErr}
	}
	moved, err := v.repairCurrent(ctx, ring, labels)
	if moved || err != nil {
		return false, err
	}
	return v.repairLabels(ctx, ring, labels)
}

// IsLost tells whether a repair found that the secret does not exist that the ring
// names, or that no repair brings it to the ring: somebody took the Active key's
// version away. Shortly after a change either may just be late, or others may be
// changing the secret.
func IsLost(err error) bool {
	_, lost := errors.AsType[*lostError](err)
	return lost
}

type lostError struct {
	what  string
	cause error
}

// Error tells what is lost.
func (e *lostError) Error() string {
	if e.cause == nil {
		return e.what
	}
	return e.what + ": " + e.cause.Error()
}

// Unwrap is what Secrets Manager said, if it did.
func (e *lostError) Unwrap() error { return e.cause }

// labels reads which staging labels each version of the secret has.
func (v *Vault) labels(ctx context.Context, arn string) (map[string][]string, error) {
	out, err := v.client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &arn})
	if err != nil {
		return nil, err
	}
	return out.VersionIdsToStages, nil
}

// repairCurrent moves AWSCURRENT to the Active key's version, naming the version
// that has it. (On AWS some version always does; an emulator may lose it.) A lost
// swap counts as moved: read again.
func (v *Vault) repairCurrent(ctx context.Context, ring apikey.Ring, labels map[string][]string) (moved bool, err error) {
	holder := ""
	for version, stages := range labels {
		if slices.Contains(stages, stageCurrent) {
			holder = version
		}
	}
	if holder == ring.Active.VersionID {
		return false, nil
	}
	err = v.moveCurrent(ctx, ring.SecretARN, holder, ring.Active.VersionID)
	if isLostSwap(err) {
		err = nil
	}
	return true, err
}

// repairLabels drops every label that has done its work.
func (v *Vault) repairLabels(ctx context.Context, ring apikey.Ring, labels map[string][]string) (done bool, err error) {
	done = true
	for version, stages := range labels {
		for _, label := range stages {
			if !v.isLeftover(ring, version, label) {
				continue
			}
			done = false
			if err := v.dropLabel(ctx, ring.SecretARN, version, label); err != nil && !isLostSwap(err) {
				return false, err
			}
		}
	}
	return done, nil
}

// isLeftover tells whether a version should not have the label (any more).
func (v *Vault) isLeftover(ring apikey.Ring, version, label string) bool {
	keyID, err := apikey.ParseUUID(label)
	isKeyLabel := err == nil
	switch {
	case label == stageCurrent:
		return false
	case namesVersion(ring, version):
		return isKeyLabel
	case remembersVersion(ring, version):
		return true
	default:
		return isKeyLabel && v.now().Sub(keyID.Time()) > abandonedAfter
	}
}

func namesVersion(ring apikey.Ring, version string) bool {
	if ring.Active != nil && ring.Active.VersionID == version {
		return true
	}
	return slices.ContainsFunc(ring.PhasedOut, func(k apikey.Key) bool { return k.VersionID == version })
}

func remembersVersion(ring apikey.Ring, version string) bool {
	return slices.ContainsFunc(ring.Deleted, func(k apikey.DeletedKey) bool { return k.VersionID == version })
}

// isLostSwap tells whether a label was not on the version that it was to be
// taken from: somebody else moved it.
func isLostSwap(err error) bool {
	_, invalid := errors.AsType[*types.InvalidParameterException](err)
	return invalid || isGone(err)
}
