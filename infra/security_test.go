package infra_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/userapikey/service/shared/apikey"
)

// The threat model names the code and the tests that stop an attack: each is there.
func TestTheThreatModelNamesWhatThereIs(t *testing.T) {
	text, err := os.ReadFile("../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "`"+apikey.CredentialPattern+"`") {
		t.Errorf("it does not have the pattern for scanners, %s", apikey.CredentialPattern)
	}
	tests := declared(t, regexp.MustCompile(`(?m)^func (?:\([^)]*\) )?(\w+)\(`))
	names := regexp.MustCompile(`\bTest[A-Z]\w+|\bproof\.[A-Z]\w+`).FindAllString(string(text), -1)
	if len(names) < 40 {
		t.Errorf("only %d tests are named", len(names))
	}
	for _, name := range names {
		if !tests[strings.TrimPrefix(name, "proof.")] {
			t.Errorf("there is no %s", name)
		}
	}
	for _, path := range regexp.MustCompile("`((?:shared|cmd|docs)/[\\w/]+(?:\\.go|\\.md)?)`").FindAllStringSubmatch(string(text), -1) {
		if _, err := os.Stat(filepath.Join("..", path[1])); err != nil {
			t.Error(err)
		}
	}
}

// declared are the names in the tree's Go files that the pattern finds.
func declared(t *testing.T, pattern *regexp.Regexp) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != ".." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "build"):
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go"):
			return nil
		}
		text, err := os.ReadFile(path)
		for _, found := range pattern.FindAllSubmatch(text, -1) {
			names[string(found[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
