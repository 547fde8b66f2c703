package proof_test

import (
	"testing"

	"github.com/userapikey/service/functions/servicetest"
	"github.com/userapikey/service/proof"
)

func TestSequencesUnderRandomFaultsAgreeWithTheModel(t *testing.T) {
	proof.Sequences(t, servicetest.InMemory)
}
