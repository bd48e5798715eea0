package vertex

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"github.com/your-org/ai-api-gateway/providers"
)

// scope is what the tokens are good for.
const scope = "https://www.googleapis.com/auth/cloud-platform"

// Bounds of getting a token.
const (
	patience   = 10 * time.Second
	maxSources = 1024 // accounts whose tokens are kept
)

// tokens finds credentials and keeps their tokens until they expire. It is safe
// for concurrent use.
type tokens struct {
	mu      sync.Mutex
	sources map[[sha256.Size]byte]*credential // by the account's key
}

// A credential is what a key of an account stands for.
type credential struct {
	project string
	source  oauth2.TokenSource
}

// express reports whether a key is an API key: it needs no project, and no token.
func express(secret string) bool {
	return secret != "" && !strings.HasPrefix(secret, "{") && !strings.HasPrefix(secret, "ya29.")
}

// project is the account's Google Cloud project: its option, the environment's, or
// the one its credentials belong to.
func (t *tokens) project(c *providers.Call) string {
	if p := c.Option("project", c.Option("project_id", "")); p != "" {
		return p
	}
	if express(c.Secret) {
		return ""
	}
	if p := os.Getenv("GOOGLE_CLOUD_PROJECT"); p != "" {
		return p
	}
	if strings.HasPrefix(c.Secret, "{") {
		var file struct {
			ProjectID    string `json:"project_id"`
			QuotaProject string `json:"quota_project_id"`
		}
		if json.Unmarshal([]byte(c.Secret), &file) == nil && file.ProjectID+file.QuotaProject != "" {
			return file.ProjectID + map[bool]string{true: file.QuotaProject}[file.ProjectID == ""]
		}
	}
	if cred, err := t.credential(c.Secret); err == nil {
		return cred.project
	}
	return ""
}

// sign adds the key or the token.
func (t *tokens) sign(c *providers.Call) error {
	switch {
	case express(c.Secret):
		if err := providers.CheckSecret(c.Secret); err != nil {
			return err
		}
		c.Set("x-goog-api-key", c.Secret)
		return nil
	case strings.HasPrefix(c.Secret, "ya29."):
		return providers.DefaultSign(c)
	}
	cred, err := t.credential(c.Secret)
	if err != nil {
		return err
	}
	token, err := cred.source.Token()
	if err != nil {
		return fmt.Errorf("cannot get a token from Google: %w", plainError(err))
	}
	c.Set("Authorization", "Bearer "+token.AccessToken)
	return nil
}

// credential returns what a key stands for, read once: service account's or user's
// JSON, or, where it is empty, the application default credentials.
func (t *tokens) credential(secret string) (*credential, error) {
	id := sha256.Sum256([]byte(secret))
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.sources[id]; c != nil {
		return c, nil
	}
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, &http.Client{Timeout: patience})
	var creds *google.Credentials
	var err error
	if secret == "" {
		if creds, err = google.FindDefaultCredentials(ctx, scope); err != nil {
			return nil, errors.New("no Google credentials were found: set GOOGLE_APPLICATION_CREDENTIALS, run `gcloud auth application-default login`, or give the account a service account's JSON as its key")
		}
	} else {
		creds, err = fromJSON(ctx, []byte(secret))
		if err != nil {
			return nil, err
		}
	}
	c := &credential{project: creds.ProjectID, source: creds.TokenSource}
	if t.sources == nil || len(t.sources) >= maxSources {
		t.sources = map[[sha256.Size]byte]*credential{}
	}
	t.sources[id] = c
	return c, nil
}

// fromJSON reads a key that is a file of Google's. Other kinds than these two can
// name any address or program to get tokens from, and are taken from the
// environment alone.
func fromJSON(ctx context.Context, file []byte) (*google.Credentials, error) {
	var kind struct {
		Type google.CredentialsType `json:"type"`
	}
	if err := json.Unmarshal(file, &kind); err != nil {
		return nil, errors.New("the key is no JSON of a service account")
	}
	if kind.Type != google.ServiceAccount && kind.Type != google.AuthorizedUser {
		return nil, fmt.Errorf("credentials of type %q cannot be a key: use a service account's, or GOOGLE_APPLICATION_CREDENTIALS", kind.Type)
	}
	creds, err := google.CredentialsFromJSONWithType(ctx, file, kind.Type, scope)
	if err != nil {
		return nil, errors.New("the key is no valid JSON of a service account")
	}
	return creds, nil
}

// plainError says why no token came, without the answer's body, which may hold more than words.
func plainError(err error) error {
	var r *oauth2.RetrieveError
	if errors.As(err, &r) {
		status := 0
		if r.Response != nil {
			status = r.Response.StatusCode
		}
		return fmt.Errorf("it answered %d %s", status, r.ErrorCode)
	}
	return err
}
