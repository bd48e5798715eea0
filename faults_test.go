package aigateway

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// faultRows are the numbers of the list of faults that docs/faults.md must name.
var faultRows = strings.Fields(`1 2 4 5 7 8 10 11 12 13 14 15 16 17 18 20 21 23 25 26 28 29 30 31 32
	33 34 35 36 37 38 40 41 42 44 45 46 47 48 49 51 52 54 55 56
	57 58 59 61 62 77 79 80 81 82 83 84 85 86 87 89 91 93 94 96`)

// TestFaultRows holds docs/faults.md true: every row is there once, and every test
// that it names exists.
func TestFaultRows(t *testing.T) {
	page, err := os.ReadFile("docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`([a-z/-]+) (Test[A-Za-z0-9]+)`")
	var found []string
	for _, m := range regexp.MustCompile(`(?m)^\| (\d+) \|.*$`).FindAllStringSubmatch(string(page), -1) {
		found = append(found, m[1])
		tests := named.FindAllStringSubmatch(m[0], -1)
		if len(tests) == 0 {
			t.Errorf("row %s names no test", m[1])
		}
		for _, test := range tests {
			if !hasTest(t, test[1], test[2]) {
				t.Errorf("row %s: there is no %s in %s", m[1], test[2], test[1])
			}
		}
	}
	if !slices.Equal(found, faultRows) {
		t.Errorf("the page has rows %v, want %v", found, faultRows)
	}
}

func hasTest(t *testing.T, pkg, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(pkg, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "func "+name+"(t *testing.T)") {
			return true
		}
	}
	return false
}
