package config

import (
	"net/netip"
	"time"
)

// A Row says what there is to know of a setting, whatever its value.
type Row struct {
	Path, Env, Flag string   // "log.level", AI_GATEWAY_LOG_LEVEL, log-level
	Type            string   // text, size, duration, number, list, networks
	Default         string   // as the file would have it; "": none
	Words           []string // the values allowed; nil: any of the type
	Doc             string
}

// Rows returns all settings, in the order of the example file.
func Rows() []Row {
	var out []Row
	for _, s := range (&Config{}).settings() {
		r := Row{Path: s.path, Env: s.env(), Flag: Flag(s.path), Type: "text", Default: s.def, Words: s.enum, Doc: s.doc}
		switch s.ptr.(type) {
		case *size:
			r.Type = "size"
		case *time.Duration:
			r.Type = "duration"
		case *float64:
			r.Type = "number"
		case *[]string:
			r.Type = "list"
		case *[]netip.Prefix:
			r.Type = "networks"
		}
		out = append(out, r)
	}
	return out
}
