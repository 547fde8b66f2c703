package storetest_test

import (
	"testing"

	"github.com/userapikey/service/shared/store/storetest"
)

func TestQuestionsInMemory(t *testing.T) {
	storetest.Questions(t, storetest.InMemory, storetest.NewEngine().Client(), storetest.Table)
}
