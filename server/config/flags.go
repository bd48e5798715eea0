package config

// A FlagInfo describes the flag of one setting, for the command line.
type FlagInfo struct {
	Path    string // "log.level"
	Name    string // "log-level"
	Default string
	Doc     string
}

// Flags returns the flag of every setting, in the order of the example file.
func Flags() []FlagInfo {
	var c Config
	rows := c.settings()
	out := make([]FlagInfo, 0, len(rows))
	for _, r := range rows {
		out = append(out, FlagInfo{r.path, Flag(r.path), r.def, r.doc})
	}
	return out
}
