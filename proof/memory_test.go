package proof_test

import (
	"testing"

	"github.com/userapikey/service/functions/servicetest"
	"github.com/userapikey/service/proof"
)

func TestFaultMatrix(t *testing.T) { proof.Matrix(t, servicetest.InMemory, true) }
