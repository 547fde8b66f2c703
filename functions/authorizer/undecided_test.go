package authorizer_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/userapikey/service/functions/functest"
	"github.com/userapikey/service/shared/apikey"
	"github.com/userapikey/service/shared/awstest"
)

// infra/alarms.yaml takes the refusals that Lambda counts as errors from its errors.
// So what is the caller's mistake counts once where it is an error to Lambda, and
// not at all over HTTP; what could not be decided counts once, wherever it was asked.
func TestEveryFailureToDecideIsCountedAndOfMistakesThoseThatLambdaCountsAsErrors(t *testing.T) {
	mistake := byOwner(functest.Jane).with("jobType", "unknown")
	good := byCredential(functest.SecondCredential)
	for name, test := range map[string]struct {
		ask  func(w world, q question)
		want map[bool]int // by whether the table is out of reach
		code map[bool]apikey.Code
	}{
		"webhook": {
			ask:  func(w world, q question) { w.ask("JOB_RUNNER_TOKEN", q) },
			want: map[bool]int{false: 0, true: 1},
		},
		"webhook, batch": {
			ask:  func(w world, q question) { w.batch("JOB_RUNNER_TOKEN", q, q) },
			want: map[bool]int{false: 0, true: 2},
		},
		"webhook, renewal": {
			ask:  func(w world, _ question) { w.sendRun(http.MethodPost, "JOB_RUNNER_TOKEN", unknownRun(), "") },
			want: map[bool]int{false: 0, true: 1},
		},
		"direct": {
			ask:  func(w world, q question) { _, _ = w.invoke(q) },
			want: map[bool]int{false: 1, true: 1},
		},
		"gateway": {
			ask: func(w world, q question) {
				credential, _ := q["credential"].(string)
				_, _ = w.invoke(restToken("Bearer " + credential))
			},
			want: map[bool]int{false: 1, true: 1},
			code: map[bool]apikey.Code{false: apikey.CodeUnauthenticated},
		},
	} {
		for isDown, q := range map[bool]question{false: mistake, true: good} {
			t.Run(fmt.Sprintf("%s, down=%t", name, isDown), func(t *testing.T) {
				w := newWorld(t)
				code := test.code[isDown]
				if isDown {
					w.Table.Transport.SetFault(awstest.Refuse(http.StatusBadRequest, "AccessDeniedException"))
					code = apikey.CodeUnavailable
				} else if code == "" {
					code = apikey.CodeInvalidRequest
				}
				test.ask(w, q)
				counted := strings.Count(w.Logged(), `"Undecided":1`)
				if ofCode := strings.Count(w.Logged(), `"msg":"not decided","code":"`+string(code)+`"`); counted != test.want[isDown] || ofCode != counted {
					t.Errorf("counted %d, of the code %s %d; want %d\n%s", counted, code, ofCode, test.want[isDown], w.Logged())
				}
			})
		}
	}
}

func unknownRun() string {
	return apikey.RunRef{Locator: functest.Jane.Locator()}.String()
}
