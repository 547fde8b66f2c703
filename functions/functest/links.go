package functest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// LinksDynamoDBAlone checks that the function of this folder is built without the
// clients of other services: every cold start would pay for them.
func LinksDynamoDBAlone(t *testing.T) {
	t.Helper()
	const line = `{{.ImportPath}} {{if .Module}}{{if .Module.Main}}{{.Dir}}{{end}}{{end}}`
	listed, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", line, "./bootstrap").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(listed), "aws-sdk-go-v2/service/dynamodb ") {
		t.Fatalf("the function links %s", listed)
	}
	for line := range strings.Lines(string(listed)) {
		path, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
		for _, unneeded := range []string{"service/secretsmanager", "service/eventbridge", "shared/vault", "shared/lifecycle"} {
			if strings.Contains(path, unneeded) {
				t.Errorf("the function links %s", path)
			}
		}
		if dir != "" {
			touch(t, dir)
		}
	}
}

// touch reads a package's files, because go test uses an old result again as
// long as what the test has read stays the same.
func touch(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v", dir, err)
	}
	for _, file := range files {
		if _, err := os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
}
