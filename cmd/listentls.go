package cmd

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A certificate is the one the gateway shows, read anew when its file changes, so
// that a renewal needs no restart.
type certificate struct {
	cert, key string // files
	log       *slog.Logger
	base      *tls.Config
	now       atomic.Pointer[tls.Certificate]

	mu      sync.Mutex // of what follows
	looked  time.Time
	changed time.Time // of the files
}

// lookEvery is how often the files' times are looked at, at the most.
const lookEvery = 10 * time.Second

// loadCertificate reads certificate and key, and the authorities whose clients are
// let in if there are any (all others are then refused).
func loadCertificate(cert, key, clientCA string, log *slog.Logger) (*certificate, error) {
	c := &certificate{cert: cert, key: key, log: log, base: &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}}
	if err := c.read(); err != nil {
		return nil, err
	}
	c.base.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		c.refresh(time.Now())
		return c.now.Load(), nil
	}
	if clientCA == "" {
		return c, nil
	}
	pem, err := os.ReadFile(clientCA)
	if err != nil {
		return nil, errorf("cannot read tls.client_ca: %w", err)
	}
	c.base.ClientCAs = x509.NewCertPool()
	if !c.base.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, errorf("cannot read tls.client_ca: %s holds no certificate", clientCA)
	}
	c.base.ClientAuth = tls.RequireAndVerifyClientCert
	return c, nil
}

func (c *certificate) listener(ln net.Listener) net.Listener { return tls.NewListener(ln, c.base) }

// ends is when the certificate in use ends.
func (c *certificate) ends() time.Time { return c.now.Load().Leaf.NotAfter }

// read takes the files as they are.
func (c *certificate) read() error {
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return errorf("cannot read the certificate (tls.cert %s, tls.key %s): %w", c.cert, c.key, err)
	}
	c.changed = c.modified()
	c.now.Store(&pair)
	return nil
}

// refresh reads the files anew if they have changed; a pair that does not fit, as
// in the midst of a renewal, leaves the old one in force.
func (c *certificate) refresh(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.looked) < lookEvery {
		return
	}
	c.looked = now
	if c.modified().Equal(c.changed) {
		return
	}
	if err := c.read(); err != nil {
		c.log.Error("cannot take the new certificate, the old one stays", "error", err)
		return
	}
	c.log.Info("took a new certificate", "file", c.cert, "expires", c.now.Load().Leaf.NotAfter.UTC().Format(time.RFC3339))
}

// modified is the later of the files' times.
func (c *certificate) modified() time.Time {
	var last time.Time
	for _, path := range []string{c.cert, c.key} {
		if st, err := os.Stat(path); err == nil && st.ModTime().After(last) {
			last = st.ModTime()
		}
	}
	return last
}

// again reads the files at once, for a reload.
func (c *certificate) again(now time.Time) {
	c.mu.Lock()
	c.looked = time.Time{}
	c.mu.Unlock()
	c.refresh(now)
}
