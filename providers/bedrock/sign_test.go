package bedrock

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
)

func header(c *providers.Call, name string) string {
	for _, h := range c.Header {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

// signed runs the hooks of an account as the relay does.
func signed(t *testing.T, s *signer, c *providers.Call) *providers.Call {
	t.Helper()
	c.URL = s.url(c)
	if err := s.sign(c); err != nil {
		t.Fatal(err)
	}
	return c
}

func testSigner() *signer {
	s := newSigner()
	s.now = func() time.Time { return time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC) }
	return s
}

// TestSignature compares with signatures that botocore 1.43.11 makes of the same calls.
func TestSignature(t *testing.T) {
	const body = `{"messages":[{"role":"user","content":[{"text":"hi"}]}]}`
	const secret = "AKIDEXAMPLE00000:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	f := func(model, secret string, stream bool, want string) {
		t.Helper()
		c := signed(t, testSigner(), &providers.Call{Op: providers.OpChat, Dialect: dialect, Model: model, Stream: stream, Secret: secret,
			Base: "https://bedrock-runtime.eu-west-1.amazonaws.com", Body: []byte(body)})
		if got := header(c, "Authorization"); got != want || header(c, "X-Amz-Date") != "20261125T120000Z" {
			t.Errorf("%s\n got %s\nwant %s", c.URL, got, want)
		}
	}
	// botocore's example key, with the prefix that real ones have.
	mine := strings.Replace(secret, "AKIDEXAMPLE00000", "AKIAEXAMPLE00000", 1)
	f("us.anthropic.claude-sonnet-4-5-20250929-v1:0", mine, false,
		"AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE00000/20261125/eu-west-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=d53635110f5c4c3cf8d25df801c989659c8ccdf9b3aaa46cfeacb23e1024541f")
	f("arn:aws:bedrock:eu-west-1:123456789012:inference-profile/us.anthropic.claude", mine+":TOKEN", true,
		"AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE00000/20261125/eu-west-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature=220da43bcc4b97b7e946cad7bc5c8c14c346565f9f94268edb8f985cec49c0e3")
}

// clean removes everything of AWS from the environment, and the machine's metadata service from the chain.
func clean(t *testing.T) string {
	t.Helper()
	for _, pair := range os.Environ() {
		if name, value, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, value) // put back afterwards
			os.Unsetenv(name)
		}
	}
	dir := t.TempDir()
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "credentials"))
	return dir
}

func TestCredentials(t *testing.T) {
	call := func(secret string, options string) *providers.Call {
		c := &providers.Call{Op: providers.OpChat, Dialect: dialect, Model: "amazon.nova-micro-v1:0", Secret: secret, Base: usualBase, Body: []byte("{}")}
		c.Options = map[string]json.RawMessage{}
		for _, pair := range strings.Fields(options) {
			name, value, _ := strings.Cut(pair, "=")
			c.Options[name] = json.RawMessage(`"` + value + `"`)
		}
		return c
	}
	want := func(c *providers.Call, url, auth string) {
		t.Helper()
		if !strings.HasPrefix(c.URL, url) || !strings.HasPrefix(header(c, "Authorization"), auth) {
			t.Errorf("%s %s, want %s %s", c.URL, header(c, "Authorization"), url, auth)
		}
	}
	dir := clean(t)
	want(signed(t, testSigner(), call("ABSKexample", "")), "https://bedrock-runtime.us-east-1.amazonaws.com/model/amazon.nova-micro-v1%3A0/converse", "Bearer ABSKexample")
	want(signed(t, testSigner(), call("ABSKexample", "region=eu-central-1")), "https://bedrock-runtime.eu-central-1.amazonaws.com/", "Bearer ABSKexample")

	c := call("", "")
	c.URL = testSigner().url(c)
	if err := testSigner().sign(c); err == nil || !strings.Contains(err.Error(), "cannot find AWS credentials") {
		t.Errorf("without any credentials: %v", err)
	}

	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAFROMTHEENV")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_SESSION_TOKEN", "session")
	t.Setenv("AWS_REGION", "ap-south-1")
	c = signed(t, testSigner(), call("", ""))
	want(c, "https://bedrock-runtime.ap-south-1.amazonaws.com/", "AWS4-HMAC-SHA256 Credential=AKIAFROMTHEENV/20261125/ap-south-1/bedrock/aws4_request")
	if header(c, "X-Amz-Security-Token") != "session" {
		t.Errorf("headers %v", c.Header)
	}

	write := func(file, text string) {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("credentials", "[team]\naws_access_key_id = AKIAFROMPROFILE\naws_secret_access_key = secret\n")
	write("config", "[profile team]\nregion = sa-east-1\n")
	os.Unsetenv("AWS_REGION")
	want(signed(t, testSigner(), call("", "profile=team")), "https://bedrock-runtime.sa-east-1.amazonaws.com/", "AWS4-HMAC-SHA256 Credential=AKIAFROMPROFILE/20261125/sa-east-1/")
	want(signed(t, testSigner(), call("", "profile=team region=us-west-2")), "https://bedrock-runtime.us-west-2.amazonaws.com/", "AWS4-HMAC-SHA256 Credential=AKIAFROMPROFILE/20261125/us-west-2/")
}

func TestRegion(t *testing.T) {
	clean(t)
	f := func(base, region, want string) {
		t.Helper()
		c := &providers.Call{Base: base, Secret: "x", Options: map[string]json.RawMessage{"region": json.RawMessage(`"` + region + `"`)}}
		if got := testSigner().region(c); got != want {
			t.Errorf("region of %s with option %q: %s, want %s", base, region, got, want)
		}
	}
	f(usualBase, "", "us-east-1")
	f(usualBase, "eu-west-3", "eu-west-3")
	f(usualBase, "evil.example/", "us-east-1")
	f("https://bedrock-runtime.us-west-2.amazonaws.com/", "", "us-west-2")
	f("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "", "us-gov-west-1")
	f("https://bedrock-runtime.cn-north-1.amazonaws.com.cn", "", "cn-north-1")
	f("https://vpce-0a1b-xyz.bedrock-runtime.us-east-2.vpce.amazonaws.com", "", "us-east-2")
	f("http://127.0.0.1:9000", "", "us-east-1")
	f("http://127.0.0.1:9000", "eu-north-1", "eu-north-1")
}

func TestAddress(t *testing.T) {
	f := func(model string, stream bool, want string) {
		t.Helper()
		c := &providers.Call{Op: providers.OpChat, Base: "http://host/", Model: model, Stream: stream, Secret: "x"}
		if got := testSigner().url(c); got != want {
			t.Errorf("%s: %s, want %s", model, got, want)
		}
	}
	f("amazon.nova-micro-v1:0", false, "http://host/model/amazon.nova-micro-v1%3A0/converse")
	f("arn:aws:bedrock:us-east-1:1:application-inference-profile/a1b2", true, "http://host/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aapplication-inference-profile%2Fa1b2/converse-stream")
	f("../../x?y#z é", false, "http://host/model/..%2F..%2Fx%3Fy%23z%20%C3%A9/converse")
}
