package proof_test

import (
	"testing"

	"github.com/userapikey/service/functions/servicetest"
	"github.com/userapikey/service/proof"
)

func TestDeaths(t *testing.T) { proof.Deaths(t, servicetest.InMemory, 1) }

func TestFaultMatrixOfSweepAndRelay(t *testing.T) { proof.ClockMatrix(t, servicetest.InMemory, 1) }
