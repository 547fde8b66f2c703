package infra_test

import (
	"slices"
	"strings"
	"testing"
)

// Every header and query parameter that the contract has for an operation is read
// there, and no other is: a value that cannot be says which.
func TestParametersOfTheContractAreThoseOfTheCode(t *testing.T) {
	c := loadContract(t)
	impossible := map[string]string{"If-Match": "2", "Idempotency-Key": strings.Repeat("k", 65), "limit": "0", "cursor": "?"}
	for _, op := range c.operations() {
		var documented []string
		for _, parameter := range op.Parameters {
			if parameter.In != "path" {
				documented = append(documented, parameter.Name)
			}
			if _, known := impossible[parameter.Name]; !known && parameter.In != "path" {
				t.Errorf("%s: the code has no parameter %q", op.id, parameter.Name)
			}
		}
		for name, value := range impossible {
			s := proper[op.id]
			s.operation = op.id
			if strings.ToLower(name) == name {
				query(name, value)(&s)
			} else {
				header(name, value)(&s)
			}
			got := bringAbout(t, c, s)
			read := got.status == 400 && !strings.Contains(got.body, "is no query parameter")
			if read != slices.Contains(documented, name) {
				t.Errorf("%s: the contract has %v, and %s=%s is answered %d %s", op.id, documented, name, value, got.status, got.body)
			}
		}
	}
}
