package main_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const lifecycleKey = "test-admin-key-of-more-than-32-characters"

// A worker load runs chats until stopped and counts how they ended.
type chats struct {
	stop           chan struct{}
	wg             sync.WaitGroup
	whole, refused atomic.Int64
	told           atomic.Int64 // streams that ended in an error event
	mu             sync.Mutex
	ids            map[string]bool // of whole answers
	broken         []string
}

// startChats runs buffered and streamed chats against url.
func startChats(url string, buffered, streamed int) *chats {
	l := &chats{stop: make(chan struct{}), ids: map[string]bool{}}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: buffered + streamed}, Timeout: 60 * time.Second}
	for i := range buffered + streamed {
		stream := i >= buffered
		l.wg.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				default:
					l.one(client, url, stream)
				}
			}
		})
	}
	return l
}

func (l *chats) one(client *http.Client, url string, stream bool) {
	model := "demo-fast"
	if stream {
		model = "demo"
	}
	body := fmt.Sprintf(`{"model":%q,"stream":%v,"messages":[{"role":"user","content":"count to five"}]}`, model, stream)
	req, _ := http.NewRequest("POST", url+"/v1/chat/completions", strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+lifecycleKey)
	resp, err := client.Do(req)
	if err != nil {
		l.fail("%v", err)
		return
	}
	b, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	switch {
	case resp.StatusCode != 200:
		l.refused.Add(1)
		l.fail("status %d: %.200s", resp.StatusCode, b)
		return
	case stream && bytes.Contains(b, []byte(`data: {"error"`)):
		l.told.Add(1)
		return
	case err != nil || stream && !bytes.Contains(b, []byte("data: [DONE]")):
		l.fail("an answer was cut (stream %v, %v): %.200s", stream, err, b)
		return
	}
	l.whole.Add(1)
	l.mu.Lock()
	l.ids[resp.Header.Get("X-Request-Id")] = true
	l.mu.Unlock()
}

func (l *chats) fail(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = append(l.broken, fmt.Sprintf(format, args...))
}

// end stops the load and reports what failed.
func (l *chats) end(t *testing.T) {
	t.Helper()
	close(l.stop)
	l.wg.Wait()
	for i, b := range l.broken {
		if i == 5 {
			t.Errorf("… %d failures in all", len(l.broken))
			break
		}
		t.Error(b)
	}
}

// activated starts a gateway on a socket that this test keeps open, as a service
// manager does.
func activated(t *testing.T, dir string, socket *os.File, log io.Writer) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sh", "-c", "LISTEN_PID=$$ exec ai-gateway serve")
	cmd.Env = []string{
		"PATH=" + binary(t) + ":" + os.Getenv("PATH"), "HOME=" + dir, "AI_GATEWAY_DATA_DIR=" + dir, "AI_GATEWAY_ADMIN_KEY=" + lifecycleKey,
		"AI_GATEWAY_DRAIN_DELAY=200ms", "NOTIFY_SOCKET=" + filepath.Join(dir, "notify"), "LISTEN_FDS=1", "LISTEN_FDNAMES=http", "AI_GATEWAY_LOG_LEVEL=warn",
	}
	cmd.ExtraFiles = []*os.File{socket}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// TestRestartUnderLoad starts successors on the same socket while the process
// before is told to end: no buffered request fails, streams are whole or end with
// an error event, and every whole answer has one row.
func TestRestartUnderLoad(t *testing.T) {
	restarts := 20
	if testing.Short() {
		restarts = 3
	}
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	socket, err := ln.File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	dir, log := t.TempDir(), &syncBuffer{}
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()
	ready := func() { // one that is told to end while it starts ends at once
		t.Helper()
		buf := make([]byte, 256)
		_ = notify.SetReadDeadline(time.Now().Add(time.Minute))
		for {
			n, err := notify.Read(buf)
			if err != nil {
				t.Fatalf("no gateway got ready: %v\n%s", err, log)
			}
			if strings.Contains(string(buf[:n]), "READY=1") {
				return
			}
		}
	}
	running := activated(t, dir, socket, log)
	load := startChats("http://"+ln.Addr().String(), 8, 8)
	var ended sync.WaitGroup
	for range restarts {
		ready()
		time.Sleep(time.Second)
		next := activated(t, dir, socket, log)
		if err := running.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		before := running
		ended.Go(func() {
			if err := before.Wait(); err != nil {
				load.fail("a gateway ended with %v", err)
			}
		})
		running = next
	}
	ready()
	time.Sleep(time.Second)
	load.end(t)
	if err := running.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := running.Wait(); err != nil {
		t.Errorf("the last gateway ended with %v", err)
	}
	ended.Wait()
	t.Logf("%d restarts: %d whole answers, %d streams told of the end, %d failures", restarts, load.whole.Load(), load.told.Load(), len(load.broken))
	if t.Failed() {
		t.Log(log)
	}
	if load.whole.Load() < int64(20*restarts) {
		t.Errorf("only %d answers: the load was none", load.whole.Load())
	}
	compareRows(t, dir, []string{"AI_GATEWAY_ADMIN_KEY=" + lifecycleKey}, lifecycleKey, load.ids)
}

// TestReloadUnderLoad sends SIGHUP in a loop with good and bad files in turn: no
// request fails, a bad file changes nothing, a good one is in force at once.
func TestReloadUnderLoad(t *testing.T) {
	reloads := 100
	if testing.Short() {
		reloads = 10
	}
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("log: {level: info}\n")
	g := serve(t, "", []string{"AI_GATEWAY_ADMIN_KEY=" + lifecycleKey}, "--config", file)
	load := startChats(g.url, 8, 2)
	for i := range reloads {
		alias := fmt.Sprintf("alias-%d", i)
		write(fmt.Sprintf("model_mappings: [{alias: %s, targets: [demo/demo-fast]}]\n", alias))
		if i%2 == 1 {
			write("model_mapings: []\n")
		}
		if i%10 == 0 {
			status, body, _ := g.call("POST", "/v1/admin/config/reload", lifecycleKey, "")
			if status != 200 {
				t.Fatalf("reload: %d %s", status, body)
			}
			if status, body, _ := g.call("POST", "/v1/chat/completions", lifecycleKey, `{"model":"`+alias+`","messages":[{"role":"user","content":"hi"}]}`); status != 200 {
				t.Errorf("%s is not in force after the reload: %d %s", alias, status, body)
			}
		}
		if i%10 == 5 { // a mistake: the alias before it stays
			status, body, _ := g.call("POST", "/v1/admin/config/reload", lifecycleKey, "")
			if status != 422 || !strings.Contains(body, "model_mapings") {
				t.Errorf("reload of a mistake: %d %s", status, body)
			}
		}
		if err := g.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	write("listen: [\"127.0.0.1:1\"]\nlog: {level: error}\n")
	if status, body, _ := g.call("POST", "/v1/admin/config/reload", lifecycleKey, ""); status != 200 || !strings.Contains(body, `"restart_needed":[]`) { // --listen wins over the file
		t.Errorf("reload: %d %s", status, body)
	}
	write("drain_timeout: 7s\n")
	if status, body, _ := g.call("POST", "/v1/admin/config/reload", lifecycleKey, ""); status != 200 || !strings.Contains(body, `"drain_timeout"`) {
		t.Errorf("a setting that needs a restart is not named: %d %s", status, body)
	}
	load.end(t)
	t.Logf("%d reloads: %d whole answers, %d failures", reloads, load.whole.Load(), len(load.broken))
}

// writeCertificate makes a certificate for 127.0.0.1 that signs itself.
func writeCertificate(t *testing.T, dir, name string) (certFile, keyFile string, pool *x509.CertPool, pair tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<60))
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for file, data := range map[string][]byte{certFile: cert, keyFile: private} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	pair, err = tls.X509KeyPair(cert, private)
	if err != nil {
		t.Fatal(err)
	}
	return certFile, keyFile, pool, pair
}

// TestTLS serves HTTPS with a certificate that is renewed while it runs, and lets
// the local command line in all the same.
func TestTLS(t *testing.T) {
	dir, ca := t.TempDir(), t.TempDir()
	cert, key, pool, _ := writeCertificate(t, dir, "one")
	clientCA, _, _, client := writeCertificate(t, ca, "client")
	port := freeAddr(t)
	g := serve(t, "", []string{"AI_GATEWAY_ADMIN_KEY=" + lifecycleKey}, "--listen", port, "--tls-cert", cert, "--tls-key", key)
	get := func(url string, roots *x509.CertPool, show ...tls.Certificate) (int, string, error) {
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: show}, DisableKeepAlives: true}, Timeout: 10 * time.Second}
		resp, err := c.Get(url)
		if err != nil {
			return 0, "", err
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, resp.TLS.PeerCertificates[0].Subject.CommonName, nil
	}
	url := "https://" + port + "/readyz"
	if status, name, err := get(url, pool); status != 200 || name != "one" || err != nil {
		t.Fatalf("%d %q %v", status, name, err)
	}
	if out, err := g.run(`ai-gateway chat --model demo-fast hello && ai-gateway health`); err != nil {
		t.Errorf("the local command line: %v\n%s", err, out)
	}
	// A browser's session goes over TLS alone, and no other host can set it.
	signIn := func(addr string, roots *x509.CertPool) []*http.Cookie {
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}, Timeout: 10 * time.Second}
		defer c.CloseIdleConnections()
		resp, err := c.Post(addr+"/admin/session", "application/json", strings.NewReader(`{"key":"`+lifecycleKey+`"}`))
		if err != nil || resp.StatusCode != 201 {
			t.Fatalf("signing in at %s: %v %v", addr, resp, err)
		}
		_ = resp.Body.Close()
		again, err := http.NewRequest("GET", addr+"/admin/session", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, cookie := range resp.Cookies() {
			again.AddCookie(cookie)
		}
		if shown, err := c.Do(again); err != nil || shown.StatusCode != 200 {
			t.Errorf("the session at %s: %v %v", addr, shown, err)
		}
		return resp.Cookies()
	}
	if got := signIn("https://"+port, pool); len(got) != 1 || got[0].Name != "__Host-ai-gateway-session" || !got[0].Secure {
		t.Errorf("the cookie over TLS: %v", got)
	}
	if got := signIn(g.url, nil); len(got) != 1 || got[0].Name != "ai-gateway-session" || got[0].Secure {
		t.Errorf("the cookie without TLS: %v", got)
	}
	// The way in of the command line is for its own credential only.
	if status, body, _ := g.call("GET", "/v1/key", createKey(t, g), ""); status != 401 {
		t.Errorf("a key on the local address: %d %s", status, body)
	}
	_, _, renewed, _ := writeCertificate(t, dir, "two")
	if out, err := g.run(`ai-gateway config server reload`); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if status, name, err := get(url, renewed); status != 200 || name != "two" || err != nil {
		t.Errorf("after the renewal: %d %q %v", status, name, err)
	}
	if err := os.WriteFile(key, []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _ = g.run(`ai-gateway config server reload`)
	if status, name, err := get(url, renewed); status != 200 || name != "two" || err != nil {
		t.Errorf("a broken renewal must leave the certificate: %d %q %v", status, name, err)
	}

	cert, key, pool, _ = writeCertificate(t, t.TempDir(), "mutual")
	port = freeAddr(t)
	serve(t, "", nil, "--listen", port, "--tls-cert", cert, "--tls-key", key, "--tls-client-ca", clientCA)
	if _, _, err := get("https://"+port+"/readyz", pool); err == nil {
		t.Error("a caller without a certificate was let in")
	}
	if status, _, err := get("https://"+port+"/readyz", pool, client); status != 200 || err != nil {
		t.Errorf("a caller with a certificate: %d %v", status, err)
	}
}

func createKey(t *testing.T, g *gateway) string {
	t.Helper()
	out, err := g.run(`ai-gateway api-key create plain --json`)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, rest, _ := strings.Cut(out, `"key": "`)
	key, _, _ := strings.Cut(rest, `"`)
	return key
}

// TestAdminListen keeps the admin API, the page and the metrics off the address of
// the relay.
func TestAdminListen(t *testing.T) {
	admin, relay := freeAddr(t), freeAddr(t)
	g := serve(t, "", []string{"AI_GATEWAY_ADMIN_KEY=" + lifecycleKey}, "--listen", relay, "--admin-listen", admin)
	f := func(host, path string, want int) {
		t.Helper()
		g.url = "http://" + host
		if status, body, _ := g.call("GET", path, lifecycleKey, ""); status != want {
			t.Errorf("%s%s: %d, want %d: %.200s", host, path, status, want, body)
		}
	}
	for _, path := range []string{"/v1/admin/api-keys", "/v1/admin/usage", "/metrics", "/admin/"} {
		f(admin, path, 200)
		f(relay, path, 404)
	}
	f(relay, "/v1/models", 200)
	f(admin, "/v1/models", 404)
	for _, path := range []string{"/health", "/livez", "/readyz", "/health/liveliness", "/health/readiness"} {
		f(admin, path, 200)
		f(relay, path, 200)
	}
}
