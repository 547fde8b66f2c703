package functest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Linked are the packages that the function of this folder is built of.
func Linked(t *testing.T) []string {
	t.Helper()
	const line = `{{.ImportPath}} {{if .Module}}{{if .Module.Main}}{{.Dir}}{{end}}{{end}}`
	listed, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", line, "./bootstrap").Output()
	if err != nil {
		t.Fatal(err)
	}
	var packages []string
	for line := range strings.Lines(string(listed)) {
		path, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
		packages = append(packages, path)
		if dir != "" {
			touch(t, dir)
		}
	}
	return packages
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
