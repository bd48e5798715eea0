package admin

import "slices"

// Mappings and policies are kept in the store and may come from the configuration
// file: what follows treats them alike. names returns an item's id, the name it is
// known by, and whether it is the store's.

// withFile returns what is in force: the stored items, then those of the file
// (nil: there is none) whose names the store does not have.
func withFile[T any](stored []*T, file func() []*T, names func(*T) (id, name string, own bool)) []*T {
	out := slices.Clone(stored)
	if file == nil {
		return out
	}
	taken := make(map[string]bool, len(stored))
	for _, o := range stored {
		_, name, _ := names(o)
		taken[name] = true
	}
	for _, item := range file() {
		if _, name, own := names(item); !own && !taken[name] {
			out = append(out, item)
		}
	}
	return out
}

// find returns the item of that id, else the one of that name, else nil.
func find[T any](all []*T, idOrName string, names func(*T) (id, name string, own bool)) *T {
	var named *T
	for _, item := range all {
		id, name, _ := names(item)
		if id == idOrName {
			return item
		}
		if named == nil && name == idOrName {
			named = item
		}
	}
	return named
}
