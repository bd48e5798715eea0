package cmd

import (
	"errors"
	"log/slog"
	"path/filepath"

	"github.com/your-org/ai-api-gateway/server/capture"
	"github.com/your-org/ai-api-gateway/server/replay"
	"github.com/your-org/ai-api-gateway/server/vault"
	"github.com/your-org/ai-api-gateway/store"
	"github.com/your-org/ai-api-gateway/store/bolt"
)

// resealSides seals with next what lies beside the store: captured bodies, what is
// remembered of conversations and answers kept for repeated requests. What neither
// key opens is left to expire.
func resealSides(dir string, old, next *store.Sealer) error {
	log := slog.New(slog.DiscardHandler)
	captures, memory := bolt.NewCaptures(dir, log), bolt.NewVault(dir, log)
	_, err1 := captures.Reseal(func(requestID string, sealed []byte) ([]byte, error) {
		return next.Reseal(sealed, capture.Place(requestID), old)
	})
	_, err2 := memory.Reseal(func(id, sealed []byte) ([]byte, error) { return next.Reseal(sealed, vault.Place(id), old) })
	_, err3 := replay.Reseal(filepath.Join(dir, "replay"), old, next)
	return errors.Join(err1, err2, err3, captures.Close(), memory.Close())
}
