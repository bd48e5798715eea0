package admin

import (
	"maps"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// A pause is kept with the key's metadata, under a name that callers cannot give, so
// that every store and every gateway on it has it with the key. It is shown as
// paused_at, never as metadata.
const (
	ourMetadata = "ai-gateway."
	pauseMark   = ourMetadata + "paused_at"
)

// notOurs refuses metadata under names that are the gateway's own.
func notOurs(metadata map[string]string) error {
	for name := range metadata {
		if strings.HasPrefix(name, ourMetadata) {
			return invalid("metadata", "may have no name that begins with %q", ourMetadata)
		}
	}
	return nil
}

// Paused reports whether a key is refused until it is resumed.
func Paused(k *store.Key) bool { return k.Metadata[pauseMark] != "" }

// pausedAt is since when a key is paused; nil if it is not.
func pausedAt(k *store.Key) *time.Time {
	t, err := time.Parse(time.RFC3339, k.Metadata[pauseMark])
	if err != nil {
		return nil
	}
	return &t
}

// pause returns the metadata of a key that is paused, or is no more. One that is
// paused already keeps the time it was.
func pause(k *store.Key, on bool, now time.Time) map[string]string {
	mark := k.Metadata[pauseMark]
	if on && mark == "" {
		mark = now.UTC().Format(time.RFC3339)
	}
	if !on {
		mark = ""
	}
	return withPause(k.Metadata, mark)
}

// withPause returns a copy of metadata with this mark alone; nil for nothing.
func withPause(metadata map[string]string, mark string) map[string]string {
	m := maps.Clone(metadata)
	delete(m, pauseMark)
	if mark != "" {
		if m == nil {
			m = map[string]string{}
		}
		m[pauseMark] = mark
	}
	if len(m) == 0 {
		return nil
	}
	return m
}

// ownMetadata is what people gave of a key's metadata.
func ownMetadata(k *store.Key) map[string]string {
	if !Paused(k) {
		return k.Metadata
	}
	return withPause(k.Metadata, "")
}
