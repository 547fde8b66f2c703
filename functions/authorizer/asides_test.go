package authorizer_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/userapikey/service/shared/awstest"
)

// underEachFault runs a test in a bubble with each way in which what is written
// beside a decision can fail; the last is a defect that tells the credential. The
// log must tell that it failed, and no credential.
func underEachFault(t *testing.T, credential, told string, test func(*testing.T, world, awstest.Fault)) {
	for name, fault := range map[string]awstest.Fault{
		"down": awstest.Reset, "hangs": awstest.Hang, "answer held": awstest.HoldAnswer, "answer lost": awstest.LoseAnswer,
		"throttled":     awstest.Refuse(http.StatusBadRequest, "ThrottlingException"),
		"access denied": awstest.Refuse(http.StatusBadRequest, "AccessDeniedException"),
		"a defect": func(awstest.Call, func() (*http.Response, error)) (*http.Response, error) {
			panic(credential)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				test(t, w, fault)
				if logged := w.Logged(); !strings.Contains(logged, told) || strings.Contains(logged, credential) {
					t.Errorf("logged %.2000s", logged)
				}
			})
		})
	}
}
