package bedrock

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
)

// usualBase is the address of an account that names none and no region either.
const usualBase = "https://bedrock-runtime.us-east-1.amazonaws.com"

// Provider describes Amazon Bedrock. An account's key is a Bedrock API key (sent as
// a bearer token), or "ACCESS_KEY_ID:SECRET_ACCESS_KEY[:SESSION_TOKEN]"; without one
// the requests are signed with what AWS's own tools would use: the environment,
// the shared profile, SSO, a container's or machine's role.
func Provider() *providers.Provider {
	s := newSigner()
	return &providers.Provider{
		Name: "bedrock", Title: "Amazon Bedrock", Aliases: []string{"aws", "aws-bedrock", "amazon-bedrock"},
		BaseURL: usualBase,
		EnvKeys: []string{"AWS_BEARER_TOKEN_BEDROCK"},
		Keyless: true,
		Speaks:  []providers.Egress{ConverseEgress()},
		Models: []string{
			"arn:aws*:bedrock:*", "anthropic.*", "amazon.*", "meta.*", "mistral.*", "cohere.*", "ai21.*", "deepseek.*", "openai.*", "qwen.*", "writer.*",
			"moonshot.*", "minimax.*", "google.gemma*", "nvidia.*", "zai.*", "us.*.*", "eu.*.*", "apac.*.*", "jp.*.*", "au.*.*", "us-gov.*.*", "global.*.*",
		},
		URL:  s.url,
		Sign: s.sign,
	}
}

// url addresses a call: the model's id, an inference profile's or the ARN of one of
// these stands in the path, escaped as one segment.
func (s *signer) url(c *providers.Call) string {
	verb := "/converse"
	if c.Stream {
		verb = "/converse-stream"
	}
	return s.base(c) + "/model/" + escape(c.Model) + verb
}

// base returns the account's base URL, in the account's region where the address is
// the usual one.
func (s *signer) base(c *providers.Call) string {
	base := strings.TrimRight(c.Base, "/")
	if base != usualBase {
		return base
	}
	return strings.Replace(base, "us-east-1", s.region(c), 1)
}

// hostRegion finds the region in the names of AWS's endpoints (also FIPS, China, VPC endpoints).
var hostRegion = regexp.MustCompile(`(?:^|\.)bedrock-runtime(?:-fips)?\.([a-z0-9-]{1,63})\.(?:amazonaws\.com|amazonaws\.com\.cn|vpce\.amazonaws\.com|api\.aws)$`)

var plainRegion = regexp.MustCompile(`^[a-z0-9-]{1,63}$`)

// region returns the region of a call: the account's option, else the one its own
// address names, else the environment's, else the shared profile's, else us-east-1.
func (s *signer) region(c *providers.Call) string {
	if r := c.Option("region", ""); plainRegion.MatchString(r) {
		return r
	}
	if base := strings.TrimRight(c.Base, "/"); base != usualBase {
		if u, err := url.Parse(base); err == nil {
			if m := hostRegion.FindStringSubmatch(u.Hostname()); m != nil {
				return m[1]
			}
		}
	}
	if r := s.ambientRegion(c); plainRegion.MatchString(r) {
		return r
	}
	return "us-east-1"
}

// escape percent-encodes everything but RFC 3986's unreserved characters, as AWS's
// own SDKs write a label of a path.
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}
