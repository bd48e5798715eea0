package cmd

import (
	"fmt"
	"slices"

	"github.com/your-org/ai-api-gateway/server/api"
)

// A toolKey is the API key that a tool gets.
type toolKey struct {
	secret string
	id     string // set if it was made for the tool
	name   string
}

// keyFor returns a key for a tool: the one it has, if the gateway accepts it; the
// one in use, if that has no rights beyond asking models; else a new one. An
// operator's key never ends up in a tool's settings.
func (a *app) keyFor(client *api.Client, t *tool, has, expires string) (toolKey, error) {
	if has != "" && a.accepted(client, has) {
		return toolKey{secret: has}, nil
	}
	self, err := client.Self(a.ctx)
	if err != nil {
		return toolKey{}, err
	}
	if len(self.Scopes) == 0 || !slices.ContainsFunc(self.Scopes, operates) {
		return toolKey{secret: client.Key, name: self.Name}, nil
	}
	made, err := a.newToolKey(client, t.name, expires)
	if err != nil {
		return toolKey{}, err
	}
	return toolKey{secret: made.Secret, id: made.ID, name: made.Name}, nil
}

// operates reports whether a scope is of the admin API.
func operates(scope string) bool {
	return slices.Contains([]string{"admin", "viewer", "keys:write", "providers:write", "config:write", "billing"}, scope)
}

// accepted reports whether the gateway takes key.
func (a *app) accepted(client *api.Client, key string) bool {
	other := *client
	other.Key = key
	_, err := other.Self(a.ctx)
	return err == nil
}

// newToolKey makes a key called name, or name-2, name-3, … if that is taken.
func (a *app) newToolKey(client *api.Client, name, expires string) (*api.KeyCreated, error) {
	keys, err := allKeys(a.ctx, client, name)
	if err != nil {
		return nil, err
	}
	const most = 1000
	for n := 1; n <= most; n++ {
		free := name
		if n > 1 {
			free = fmt.Sprintf("%s-%d", name, n)
		}
		if slices.ContainsFunc(keys, func(k api.Key) bool { return k.Name == free && k.Status != api.KeyRevoked }) {
			continue
		}
		return client.CreateKey(a.ctx, api.KeyCreate{Name: free, ExpiresAt: expires})
	}
	return nil, errorf("too many keys are called %s: revoke some with `ai-gateway api-key revoke`", name)
}
