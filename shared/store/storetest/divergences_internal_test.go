package storetest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../../.."

// What is on record and what is written down are the same.
func TestDivergencesAreDocumented(t *testing.T) {
	document := readDocument(t)
	_, rest, begun := strings.Cut(document, "<!-- questions -->\n")
	written, _, ended := strings.Cut(rest, "<!-- end -->")
	if want := divergences(); !begun || !ended || written != want {
		t.Errorf("docs/divergences.md is to have, between its marks:\n%s", want)
	}
}

func divergences() string {
	var rows strings.Builder
	fmt.Fprintf(&rows, "| question | AWS | %s | %s | %s |\n| --- | --- | --- | --- | --- |\n", InMemory, DynamoDBLocal, MiniStack)
	for _, q := range onRecord {
		if len(q.differs) > 0 {
			fmt.Fprintf(&rows, "| %s | %s | %s | %s | %s |\n", q.name, q.aws, q.differs[InMemory], q.differs[DynamoDBLocal], q.differs[MiniStack])
		}
	}
	return rows.String()
}

// A line that nothing guards would become wrong unnoticed.
func TestGuardsOfDivergencesExist(t *testing.T) {
	named := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(readDocument(t), -1)
	if len(named) < 10 {
		t.Fatalf("only %d tests are named", len(named))
	}
	tests := everyTest(t)
	for _, name := range named {
		if !tests[name[1]] {
			t.Errorf("docs/divergences.md names %s, which is no test", name[1])
		}
	}
}

func readDocument(t *testing.T) string {
	t.Helper()
	document, err := os.ReadFile(filepath.Join(root, "docs", "divergences.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(document)
}

func everyTest(t *testing.T) map[string]bool {
	t.Helper()
	tests := map[string]bool{}
	begin := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "build" || entry.Name() == ".venv" || entry.Name() == ".git" || entry.Name() == "node_modules"):
			return fs.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(path)
		for _, name := range begin.FindAllStringSubmatch(string(source), -1) {
			tests[name[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}
