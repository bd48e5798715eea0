package upstream

import (
	"io"
	"log"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

func TestCheckAddr(t *testing.T) {
	f := func(addr string, admin, public bool) {
		t.Helper()
		a := netip.MustParseAddr(addr)
		if err := checkAddr(a); (err == nil) != admin {
			t.Errorf("checkAddr(%s): %v, want allowed %v", addr, err, admin)
		}
		if err := CheckPublicAddr(a); (err == nil) != public {
			t.Errorf("CheckPublicAddr(%s): %v, want allowed %v", addr, err, public)
		}
	}
	for _, s := range strings.Fields(`8.8.8.8 1.1.1.1 2606:4700::1111 ::ffff:8.8.8.8 64:ff9b::808:808`) {
		f(s, true, true)
	}
	for _, s := range strings.Fields(`127.0.0.1 10.0.0.1 172.16.3.4 192.168.1.1 100.64.0.1 ::1 fd00::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1
		64:ff9b::a00:1 64:ff9b:1::7f00:1 2002:7f00:1:: ::127.0.0.1 198.18.0.1`) {
		f(s, true, false)
	}
	for _, s := range strings.Fields(`0.0.0.0 0.1.2.3 169.254.169.254 169.254.0.1 224.0.0.1 239.255.255.250 255.255.255.255 240.0.0.1
		100.100.100.200 168.63.129.16 192.0.0.192 :: fe80::1 fe80::1%eth0 febf::1 ff02::1 fd00:ec2::254 fd20:ce::254
		::ffff:169.254.169.254 ::ffff:0.0.0.0 ::ffff:224.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b:1::a9fe:a9fe 2002:a9fe:a9fe:: ::169.254.169.254 ::ffff:0:a9fe:a9fe`) {
		f(s, false, false)
	}
	if checkAddr(netip.Addr{}) == nil {
		t.Error("no address is allowed")
	}
}

func TestCheckURL(t *testing.T) {
	f := func(raw string, admin, public bool) {
		t.Helper()
		if err := CheckBaseURL(raw); (err == nil) != admin {
			t.Errorf("CheckBaseURL(%q): %v, want allowed %v", raw, err, admin)
		} else if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("CheckBaseURL(%q) tells a password: %v", raw, err)
		}
		if err := CheckPublicURL(raw); (err == nil) != public {
			t.Errorf("CheckPublicURL(%q): %v, want allowed %v", raw, err, public)
		}
	}
	f("https://api.openai.com/v1", true, true)
	f("https://api.openai.com:443/v1", true, true)
	f("https://8.8.8.8/", true, true)
	f("https://api.openai.com/v1?x=y", false, true)
	f("https://api.openai.com:8443/v1", true, false)
	f("http://api.openai.com/v1", true, true)
	f("http://api.openai.com:80/v1", true, true)
	f("http://api.openai.com:443/v1", true, false)
	f("https://api.openai.com:80/v1", true, false)
	f("http://localhost:11434/v1", true, false)
	f("http://127.0.0.1:8000", true, false)
	f("http://[::1]:8000", true, false)
	f("http://vllm.models.svc.cluster.local:8000", true, false)
	f("https://ollama/", true, false)
	f("https://192.168.1.4/", true, false)
	for _, s := range []string{
		"", "api.openai.com", "ftp://x.y/", "file:///etc/passwd", "https://", "https:///v1", "https://u:hunter2@x.y/", "https://u:hunter2@x.y:bad/",
		"https://x.y/#a", "https://x.y/#", "http://169.254.169.254/", "http://[fe80::1%25eth0]/", "http://[::ffff:169.254.169.254]/", "http://0.0.0.0/",
		"http://0/", "http://2852039166/", "http://0xa9fea9fe/", "http://0xa9.254.169.254/", "http://169.254.43518/", "http://x y/", "http://x.y:99999999/", "http://x.y:65536/", "http://x.y:0/", "http://x.y:+1/", "http://127.0.0.1:/v1", "http://[::1]:/v1", "http://metadata.google.internal/", "http://Metadata./",
		"http://x%2ey/", "http://é.com/", "gopher://127.0.0.1/", "http://x.y:/", "http://169.254.169.254./",
	} {
		f(s, false, false)
	}
}

// The guard must agree with net/netip on whatever it lets through.
func FuzzGuard(f *testing.F) {
	for _, s := range []string{"169.254.169.254", "::ffff:0:0", "64:ff9b::a9fe:a9fe", "fe80::1%x", "10.0.0.1", "2002:e000:1::", "::"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := netip.ParseAddr(s)
		if err != nil {
			raw := "http://" + s
			if u, err := url.Parse(raw); err == nil && CheckBaseURL(raw) == nil && net.ParseIP(u.Hostname()) == nil && looksNumeric(u.Hostname()) {
				t.Fatalf("host %q is allowed", u.Hostname())
			}
			return
		}
		u := a.Unmap()
		bad := u.IsLinkLocalUnicast() || u.IsLinkLocalMulticast() || u.IsMulticast() || u.IsUnspecified() || u.IsInterfaceLocalMulticast()
		if bad && checkAddr(a) == nil {
			t.Fatalf("%s is allowed", a)
		}
		if (bad || u.IsPrivate() || u.IsLoopback()) && CheckPublicAddr(a) == nil {
			t.Fatalf("%s is taken for public", a)
		}
		if CheckPublicAddr(a) == nil && checkAddr(a) != nil {
			t.Fatalf("%s is public and yet forbidden", a)
		}
	})
}
