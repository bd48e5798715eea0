package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"time"
)

// usedFile keeps in the data folder the minute in which each key was last used, by
// its id in Unix seconds: a restart would forget it, and a key in daily use would be
// said never to have been used.
const usedFile = "keys-used.json"

// usedEvery bounds how much of it a crash forgets.
const usedEvery = time.Minute

// recallUse tells the index of keys what the process before knew. What cannot be
// read is as good as none: it is for people alone.
func (g *gateway) recallUse() {
	var used map[string]int64
	data, err := os.ReadFile(filepath.Join(g.cfg.DataDir, usedFile))
	if err != nil || json.Unmarshal(data, &used) != nil {
		return
	}
	for id, at := range used {
		g.keys.Touch(id, time.Unix(at, 0))
	}
}

// keepUse writes it when it has changed, and when ctx ends.
func (g *gateway) keepUse(ctx context.Context) {
	tick := time.NewTicker(usedEvery)
	defer tick.Stop()
	var kept []byte
	for {
		select {
		case <-ctx.Done():
			g.writeUse(kept)
			return
		case <-tick.C:
			kept = g.writeUse(kept)
		}
	}
}

// writeUse returns what stands in the file now.
func (g *gateway) writeUse(kept []byte) []byte {
	used := map[string]int64{}
	for _, k := range g.keys.All() {
		if at := g.keys.LastUsed(k.ID); !at.IsZero() {
			used[k.ID] = at.Unix()
		}
	}
	data, err := json.Marshal(used)
	if err != nil || bytes.Equal(data, kept) || len(used) == 0 {
		return kept
	}
	if err := writePrivate(filepath.Join(g.cfg.DataDir, usedFile), data); err != nil {
		g.log.Warn("cannot keep when keys were last used", "error", err)
		return kept
	}
	return data
}
