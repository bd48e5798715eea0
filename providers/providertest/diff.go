package providertest

import (
	"encoding/json"
	"fmt"
	"math/big"
	"sort"
	"strconv"
)

func diff(path string, got, want any, ignore func(string, any, any) bool) error {
	if ignore != nil && ignore(path, got, want) {
		return nil
	}
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return differs(path, got, want)
		}
		return diffObjects(path, g, w, ignore)
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return differs(path, got, want)
		}
		for i := range w {
			if err := diff(path+"["+strconv.Itoa(i)+"]", g[i], w[i], ignore); err != nil {
				return err
			}
		}
		return nil
	case json.Number:
		if g, ok := got.(json.Number); ok && sameNumber(string(g), string(w)) {
			return nil
		}
	default:
		if got == want {
			return nil
		}
	}
	return differs(path, got, want)
}

func diffObjects(path string, got, want map[string]any, ignore func(string, any, any) bool) error {
	names := map[string]bool{}
	for n := range got {
		names[n] = true
	}
	for n := range want {
		names[n] = true
	}
	sorted := make([]string, 0, len(names))
	for n := range names {
		sorted = append(sorted, n)
	}
	sort.Strings(sorted)
	for _, n := range sorted {
		g, w := got[n], want[n]
		if g == nil && w == nil {
			continue
		}
		at := n
		if path != "" {
			at = path + "." + n
		}
		if err := diff(at, g, w, ignore); err != nil {
			return err
		}
	}
	return nil
}

func sameNumber(a, b string) bool {
	if a == b {
		return true
	}
	x, ok1 := new(big.Rat).SetString(a)
	y, ok2 := new(big.Rat).SetString(b)
	return ok1 && ok2 && x.Cmp(y) == 0
}

func differs(path string, got, want any) error {
	return fmt.Errorf("%s: got %s, want %s", path, short(got), short(want))
}

func short(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	if len(b) > 300 {
		b = append(b[:300], "…"...)
	}
	return string(b)
}
