package admin

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/store"
)

// maxGrace bounds how long a key from before a rotation is accepted.
const maxGrace = 90 * 24 * time.Hour

// keyView is what the API and the audit trail show of a key.
func (a *Admin) keyView(k *store.Key, now time.Time) api.Key {
	v := api.Key{
		ID: k.ID, Name: k.Name, Prefix: k.Prefix, Scopes: list(k.Scopes), Models: list(k.Models), IPAllow: list(k.IPAllow),
		Group: k.Group, Metadata: ownMetadata(k), OnDisconnect: k.OnDisconnect, LogBodies: k.LogBodies, Markup: k.Markup, Status: api.KeyActive,
		CreatedAt: k.CreatedAt.UTC(), CreatedBy: k.CreatedBy, ExpiresAt: timePtr(k.ExpiresAt), RevokedAt: timePtr(k.RevokedAt),
		LastUsedAt: timePtr(a.d.Keys.LastUsed(k.ID)), Weak: k.Weak,
	}
	switch {
	case !k.RevokedAt.IsZero():
		v.Status = api.KeyRevoked
	case expired(k, now):
		v.Status = api.KeyExpired
	case Paused(k):
		v.Status = api.KeyPaused
	}
	v.PausedAt = pausedAt(k)
	if now.Before(k.PrevUntil) {
		v.PreviousUntil = timePtr(k.PrevUntil)
	}
	return v
}

func expired(k *store.Key, now time.Time) bool {
	return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt)
}

func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func (a *Admin) createKey(c *Call) error {
	in, err := decode[api.KeyCreate](c)
	if err != nil {
		return err
	}
	k := &store.Key{
		Name: in.Name, Scopes: in.Scopes, Models: in.Models, IPAllow: in.IPAllow, Group: in.Group, Metadata: in.Metadata,
		OnDisconnect: in.OnDisconnect, LogBodies: in.LogBodies, Markup: in.Markup, CreatedAt: c.Now.UTC(), CreatedBy: c.Who.actor(),
	}
	if k.ExpiresAt, err = expiry(in.ExpiresAt, c.Now); err != nil {
		return err
	}
	if err := notOurs(k.Metadata); err != nil {
		return err
	}
	if err := checkKey(k); err != nil {
		return err
	}
	if err := mayGrant(c.Who, k); err != nil {
		return err
	}
	ctx, cancel := bounded()
	defer cancel()
	a.mu.Lock()
	defer a.mu.Unlock()
	imported, err := a.importedKey(in.Import, c.Now)
	if err != nil {
		return err
	}
	// Two ids of eight characters may be equal, if hardly ever.
	for range 3 {
		var full string
		if full, k.ID, k.Hash, err = store.MintKey(a.d.Rand); err != nil {
			return err
		}
		k.Prefix = prefixOf(k.ID)
		if imported != nil {
			full, k.Hash, k.Prefix, k.Weak = "", *imported, in.Import.Hint, in.Import.Weak
		}
		view := a.keyView(k, c.Now)
		err = a.change(ctx, c, "api_key.create", k.ID, nil, view, store.Change{Key: k, Create: true})
		if err == nil {
			a.d.Keys.Put(k)
			return c.answer(201, api.KeyCreated{Key: view, Secret: full})
		}
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return err
}

// importedKey returns the hash of a key that is to be taken over from elsewhere; nil
// if none is. a.mu is held, so that no other call takes the same one.
func (a *Admin) importedKey(in *api.KeyImport, now time.Time) (*[32]byte, error) {
	if in == nil {
		return nil, nil
	}
	sum, err := hex.DecodeString(in.SHA256)
	if err != nil || len(sum) != 32 {
		return nil, invalid("import.sha256", "must be the SHA-256 of the key in hex: 64 digits")
	}
	if in.Hint == "" || !printable(in.Hint, 32) {
		return nil, invalid("import.hint", `must be what may be shown of the key, at most 32 printable characters, such as "sk-ab…wxyz"`)
	}
	hash := [32]byte(sum)
	if old, ok := a.d.Keys.Lookup(hash, now); ok {
		return nil, conflict("key_exists", "this key is here already: it is %s (%q)", old.ID, old.Name)
	}
	return &hash, nil
}

// prefixOf is the part of a minted key that may be shown.
func prefixOf(id string) string { return "sk-gw-" + id }

func (a *Admin) listKeys(c *Call) error {
	get, err := c.params("limit", "cursor", "q", "group", "status", "limits")
	if err != nil {
		return err
	}
	withLimits, err := truth("limits", get("limits"))
	if err != nil {
		return err
	}
	limit, err := limitOf(get("limit"))
	if err != nil {
		return err
	}
	status := get("status")
	if status != "" && !slices.Contains([]string{api.KeyActive, api.KeyPaused, api.KeyExpired, api.KeyRevoked}, status) {
		return invalid("status", "must be active, paused, expired or revoked, not %q", clip(status))
	}
	q, group := strings.ToLower(get("q")), get("group")
	fits := func(k *store.Key) bool {
		return (group == "" || k.Group == group) &&
			(q == "" || strings.Contains(strings.ToLower(k.Name), q) || strings.Contains(k.Prefix, q)) &&
			(status == "" || a.keyView(k, c.Now).Status == status)
	}
	after, err := placeIn("keys", get("cursor"))
	if err != nil {
		return err
	}
	keys, next := pageOf(a.d.Keys.Newest(), limit, after, fits)
	reply := api.KeysReply{Data: make([]api.Key, 0, len(keys)), NextCursor: next}
	for _, k := range keys {
		reply.Data = append(reply.Data, a.keyView(k, c.Now))
	}
	if withLimits {
		if err := a.addLimits(reply.Data, c.Now); err != nil {
			return err
		}
	}
	return c.answer(200, reply)
}

// pageOf returns the first of those keys that come after a place and fit, and the cursor that leads on.
func pageOf(all []*store.Key, limit int, after string, fits func(*store.Key) bool) (keys []*store.Key, next string) {
	start := 0
	if after != "" {
		start = sort.Search(len(all), func(i int) bool { return newestFirst(all[i]) > after })
	}
	for _, k := range all[start:] {
		switch {
		case !fits(k):
		case len(keys) == limit:
			return keys, cursorIn("keys", newestFirst(keys[limit-1]))
		default:
			keys = append(keys, k)
		}
	}
	return keys, ""
}

// newestFirst is a text that sorts keys by the time they were made, the newest
// first. It is also the place of a cursor, so that pages hold while keys come and go.
func newestFirst(k *store.Key) string {
	const end = 253402300800 // year 10000
	return fmt.Sprintf("%012d%09d-%s", max(0, end-k.CreatedAt.Unix()), 999_999_999-k.CreatedAt.Nanosecond(), k.ID)
}

// key finds the key of the path: by id, or by a name that only one key has.
func (a *Admin) key(c *Call) (*store.Key, error) {
	id := c.Params["id"]
	if k, ok := a.d.Keys.ByID(id); ok {
		return k, nil
	}
	if k, ok := a.d.Keys.ByID(strings.TrimPrefix(id, "sk-gw-")); ok {
		return k, nil
	}
	switch named := a.d.Keys.ByName(id); len(named) {
	case 0:
		return nil, notFound("API key", id, "ai-gateway api-key list")
	case 1:
		return named[0], nil
	default:
		return nil, conflict("ambiguous_name", "%d API keys are called %q: use the id", len(named), clip(id))
	}
}

func (a *Admin) showKey(c *Call) error {
	k, err := a.key(c)
	if err != nil {
		return err
	}
	return c.answer(200, a.keyView(k, c.Now))
}

func (a *Admin) updateKey(c *Call) error {
	in, err := decode[api.KeyPatch](c)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	old, err := a.key(c)
	if err != nil {
		return err
	}
	if err := mayTouch(c.Who, old); err != nil {
		return err
	}
	k := *old
	if err := patchKey(&k, in, c.Now); err != nil {
		return err
	}
	if err := checkKey(&k); err != nil {
		return err
	}
	if err := mayGrant(c.Who, &k); err != nil {
		return err
	}
	if err := a.keepsAdmin(c, &k); err != nil {
		return err
	}
	action := "api_key.update"
	switch {
	case in.Revoked != nil:
		action = "api_key.revoke"
	case in.Paused != nil && *in.Paused:
		action = "api_key.pause"
	case in.Paused != nil:
		action = "api_key.resume"
	}
	ctx, cancel := bounded()
	defer cancel()
	if err := a.putKey(ctx, c, action, old, &k); err != nil {
		return err
	}
	return c.answer(200, a.keyView(&k, c.Now))
}

func (a *Admin) putKey(ctx context.Context, c *Call, action string, old, k *store.Key) error {
	err := a.change(ctx, c, action, k.ID, a.keyView(old, c.Now), a.keyView(k, c.Now), store.Change{Key: k})
	if err == nil {
		a.d.Keys.Put(k)
	}
	return err
}

func patchKey(k *store.Key, in *api.KeyPatch, now time.Time) error {
	set(&k.Name, in.Name)
	set(&k.Scopes, in.Scopes)
	set(&k.Models, in.Models)
	set(&k.IPAllow, in.IPAllow)
	set(&k.Group, in.Group)
	if in.Metadata != nil {
		if err := notOurs(*in.Metadata); err != nil {
			return err
		}
		k.Metadata = withPause(*in.Metadata, k.Metadata[pauseMark])
	}
	if in.Paused != nil {
		k.Metadata = pause(k, *in.Paused, now)
	}
	set(&k.OnDisconnect, in.OnDisconnect)
	set(&k.LogBodies, in.LogBodies)
	set(&k.Markup, in.Markup)
	k.Scopes, k.Models, k.IPAllow = slices.Clone(k.Scopes), slices.Clone(k.Models), slices.Clone(k.IPAllow)
	if in.ExpiresAt != nil {
		var err error
		if k.ExpiresAt, err = expiry(*in.ExpiresAt, now); err != nil {
			return err
		}
	}
	if in.Revoked != nil {
		if !*in.Revoked {
			return invalid("revoked", "can only be true: a revoked key stays revoked, make a new one")
		}
		if k.RevokedAt.IsZero() {
			k.RevokedAt = now.UTC()
		}
		k.PrevHash, k.PrevUntil = [32]byte{}, time.Time{}
	}
	return nil
}

// set assigns what a patch gives.
func set[T any](dst *T, v *T) {
	if v != nil {
		*dst = *v
	}
}

func (a *Admin) deleteKey(c *Call) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	k, err := a.key(c)
	if err != nil {
		return err
	}
	if err := mayTouch(c.Who, k); err != nil {
		return err
	}
	gone := *k
	gone.RevokedAt = c.Now
	if err := a.keepsAdmin(c, &gone); err != nil {
		return err
	}
	ctx, cancel := bounded()
	defer cancel()
	err = a.change(ctx, c, "api_key.delete", k.ID, a.keyView(k, c.Now), nil, store.Change{Delete: &store.Ref{Kind: store.KindKey, ID: k.ID}})
	if err != nil {
		return err
	}
	a.d.Keys.Delete(k.ID)
	return c.answer(200, api.Deleted{ID: k.ID, Deleted: true})
}

func (a *Admin) rotateKey(c *Call) error {
	in, err := decodeOptional[api.KeyRotate](c)
	if err != nil {
		return err
	}
	var grace time.Duration
	if in.Grace != "" && in.Grace != "0" {
		d, ok := span(in.Grace)
		if !ok || d > maxGrace {
			return invalid("grace", "must be a length of time up to 90d, such as 24h, not %q", clip(in.Grace))
		}
		grace = d
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	old, err := a.key(c)
	if err != nil {
		return err
	}
	if err := mayTouch(c.Who, old); err != nil {
		return err
	}
	if !old.RevokedAt.IsZero() {
		return conflict("key_revoked", "API key %q is revoked: make a new one with `ai-gateway api-key create`", old.Name)
	}
	k := *old
	full, public, hash, err := store.MintKey(a.d.Rand)
	if err != nil {
		return err
	}
	k.Hash, k.Prefix, k.Weak = hash, prefixOf(public), false
	k.PrevHash, k.PrevUntil = [32]byte{}, time.Time{}
	if grace > 0 {
		k.PrevHash, k.PrevUntil = old.Hash, c.Now.Add(grace).UTC()
	}
	ctx, cancel := bounded()
	defer cancel()
	if err := a.putKey(ctx, c, "api_key.rotate", old, &k); err != nil {
		return err
	}
	return c.answer(200, api.KeyCreated{Key: a.keyView(&k, c.Now), Secret: full})
}

// another reports whether one of all fits.
func another(all iter.Seq[*store.Key], fits func(*store.Key) bool) bool {
	for k := range all {
		if fits(k) {
			return true
		}
	}
	return false
}

// keepsAdmin refuses a change by which a caller would lock everyone out: the last
// stored key with the scope admin ending itself. The local CLI and
// AI_GATEWAY_ADMIN_KEY may, since they can make another.
func (a *Admin) keepsAdmin(c *Call, changed *store.Key) error {
	rules := func(k *store.Key) bool {
		return slices.Contains(k.Scopes, "admin") && k.RevokedAt.IsZero() && !expired(k, c.Now) && !Paused(k)
	}
	if c.Who.Key == nil || rules(changed) {
		return nil
	}
	if was, ok := a.d.Keys.ByID(changed.ID); !ok || !rules(was) {
		return nil
	}
	if another(a.d.Keys.Each(), func(k *store.Key) bool { return k.ID != changed.ID && rules(k) }) {
		return nil
	}
	return conflict("last_admin_key", "%q is the last admin key: make another first with `ai-gateway api-key create NAME --scopes admin`; "+
		"on the gateway's machine `ai-gateway admin reset-key` makes one too", changed.Name)
}
