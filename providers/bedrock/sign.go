package bedrock

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/your-org/ai-api-gateway/providers"
)

// service is the name that signatures are made for.
const service = "bedrock"

// chainTime bounds the search for credentials: a machine's metadata service or SSO may be asked.
const chainTime = 10 * time.Second

// A signer adds credentials to calls. What AWS's chain finds is kept per profile
// and renewed by AWS's own cache before it runs out.
type signer struct {
	v4  *v4.Signer
	now func() time.Time

	mu     sync.Mutex
	chains map[string]*chain // by profile; "": the default
}

// A chain is what the standard chain found.
type chain struct {
	credentials aws.CredentialsProvider
	region      string
}

func newSigner() *signer {
	return &signer{v4: v4.NewSigner(), now: time.Now, chains: map[string]*chain{}}
}

// staticKey is a long-term or a temporary access key written as one: id, secret, session token.
var staticKey = regexp.MustCompile(`^(A(?:KIA|SIA)[A-Z0-9]{8,124}):([^:\s]+)(?::([^:\s]+))?$`)

func (s *signer) sign(c *providers.Call) error {
	c.Set("Content-Type", "application/json")
	if c.Stream {
		c.Set("Accept", "application/vnd.amazon.eventstream")
	} else {
		c.Set("Accept", "application/json")
	}
	if c.Secret != "" {
		if err := providers.CheckSecret(c.Secret); err != nil {
			return err
		}
	}
	if m := staticKey.FindStringSubmatch(c.Secret); m != nil {
		return s.signV4(c, aws.Credentials{AccessKeyID: m[1], SecretAccessKey: m[2], SessionToken: m[3]})
	}
	if c.Secret != "" {
		c.Set("Authorization", "Bearer "+c.Secret)
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), chainTime)
	defer cancel()
	found, err := s.chain(ctx, c)
	if err != nil {
		return err
	}
	keys, err := found.credentials.Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("cannot find AWS credentials (environment, profile, SSO, role): %w", short(err))
	}
	return s.signV4(c, keys)
}

// short keeps what a person needs of the chain's errors, which list every attempt.
func short(err error) error {
	msg, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(msg[:min(len(msg), 300)])
}

// signV4 signs the call as Signature Version 4 asks for; the headers that are
// written later are not covered.
func (s *signer) signV4(c *providers.Call, keys aws.Credentials) error {
	req, err := http.NewRequest(http.MethodPost, c.URL, nil)
	if err != nil {
		return fmt.Errorf("cannot sign call: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	sum := sha256.Sum256(c.Body)
	if err := s.v4.SignHTTP(context.Background(), keys, req, hex.EncodeToString(sum[:]), service, s.region(c), s.now().UTC()); err != nil {
		return fmt.Errorf("cannot sign call: %w", err)
	}
	for _, name := range []string{"X-Amz-Date", "X-Amz-Security-Token", "Authorization"} {
		if v := req.Header.Get(name); v != "" {
			c.Set(name, v)
		}
	}
	return nil
}

// chain returns what the standard chain finds for the account's profile.
func (s *signer) chain(ctx context.Context, c *providers.Call) (*chain, error) {
	profile := c.Option("profile", "")
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.chains[profile]; found != nil {
		return found, nil
	}
	var opts []func(*config.LoadOptions) error
	if profile != "" {
		opts = append(opts, config.WithSharedConfigProfile(profile))
	}
	cfg, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("cannot read AWS configuration: %w", short(err))
	}
	found := &chain{credentials: cfg.Credentials, region: cfg.Region}
	s.chains[profile] = found
	return found, nil
}

// ambientRegion returns the region that the environment or the profile names; "" for none.
func (s *signer) ambientRegion(c *providers.Call) string {
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if r := os.Getenv(name); r != "" {
			return r
		}
	}
	if c.Secret != "" { // the files are read for accounts that use them
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), chainTime)
	defer cancel()
	found, err := s.chain(ctx, c)
	if err != nil {
		return ""
	}
	return found.region
}
