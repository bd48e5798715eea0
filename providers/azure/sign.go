package azure

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/your-org/ai-api-gateway/providers"
)

// scope is what tokens for Azure's AI services are asked for.
const scope = "https://cognitiveservices.azure.com/.default"

// tokenTime bounds the question for a token.
const tokenTime = 10 * time.Second

// A signer adds credentials to calls. Tokens are kept and renewed by Azure's own
// library, per application.
type signer struct {
	mu   sync.Mutex
	apps map[app]azcore.TokenCredential
}

// An app is who asks for tokens: the zero app is whatever Azure's default chain finds.
type app struct{ tenant, client, secret string }

// maxApps bounds the applications that are remembered.
const maxApps = 1024

func newSigner() *signer { return &signer{apps: map[app]azcore.TokenCredential{}} }

// sign sends the resource's key as api-key, an Entra token as a bearer token.
// Where the account names an application (tenant_id, client_id), its key is that
// one's secret; without a key Azure's default chain is asked (environment, workload
// identity, managed identity, az).
func (s *signer) sign(c *providers.Call) error {
	if c.Secret != "" {
		if err := providers.CheckSecret(c.Secret); err != nil {
			return err
		}
	}
	who := app{tenant: c.Option("tenant_id", ""), client: c.Option("client_id", ""), secret: c.Secret}
	switch {
	case c.Secret != "" && who.tenant != "" && who.client != "":
	case isToken(c.Secret):
		c.Set("Authorization", "Bearer "+c.Secret)
		return nil
	case c.Secret != "":
		c.Set("api-key", c.Secret)
		return nil
	}
	credential, err := s.credential(who)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), tokenTime)
	defer cancel()
	token, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
	if err != nil {
		return fmt.Errorf("cannot get a token from Entra: %w", short(err))
	}
	c.Set("Authorization", "Bearer "+token.Token)
	return nil
}

// isToken reports whether a key is a JSON Web Token: three parts, the first an object in base64.
func isToken(key string) bool {
	return strings.HasPrefix(key, "eyJ") && strings.Count(key, ".") == 2
}

func (s *signer) credential(who app) (azcore.TokenCredential, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.apps[who]; found != nil {
		return found, nil
	}
	var found azcore.TokenCredential
	var err error
	if who.secret != "" {
		found, err = azidentity.NewClientSecretCredential(who.tenant, who.client, who.secret, nil)
	} else {
		found, err = azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{TenantID: who.tenant})
	}
	if err != nil {
		return nil, fmt.Errorf("cannot ask Entra: %w", short(err))
	}
	if len(s.apps) >= maxApps {
		clear(s.apps)
	}
	s.apps[who] = found
	return found, nil
}

// short keeps what a person needs of the library's errors, which tell every attempt.
func short(err error) error {
	msg, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(msg[:min(len(msg), 300)])
}
