package e2e

import (
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/userapikey/service/localstack/deployed"
)

// stack is the environment file's content.
var stack map[string]string

func TestMain(m *testing.M) {
	file := os.Getenv("LOCAL_ENV")
	if file == "" {
		fmt.Println("end-to-end tests NOT run: LOCAL_ENV names no stack; make test starts one")
		return
	}
	var err error
	if stack, err = readEnvironment(file); err == nil {
		err = reachable(stack["API_URL"])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "end-to-end tests cannot run:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func readEnvironment(path string) (map[string]string, error) {
	values, err := deployed.ReadEnv(path)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"API_URL", "AWS_ENDPOINT_URL", "AWS_REGION", "TABLE_NAME", "ISSUER_URL", "AUTHORIZER_FUNCTION"} {
		if values[name] == "" {
			return nil, fmt.Errorf("%s does not say %s", path, name)
		}
	}
	return values, nil
}

func reachable(url string) error {
	client := http.Client{Timeout: 10 * time.Second}
	response, err := client.Get(url + "/v1/user-api-keys")
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusUnauthorized {
		return fmt.Errorf("%s answers %s to a request without a token", url, response.Status)
	}
	return nil
}

// cloud is the AWS of the stack.
func cloud() deployed.AWS { return deployed.AWS{Env: stack, Client: http.DefaultClient} }
