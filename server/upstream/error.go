package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"syscall"
)

// ErrorKind says in what phase and how an exchange failed.
type ErrorKind uint8

// Error kinds.
const (
	Dial          ErrorKind = iota + 1 // no connection: timeout, unreachable, proxy, limit of connections
	DNS                                // the name does not resolve
	TLS                                // handshake or certificate
	Refused                            // nothing listens there
	Blocked                            // the address guard forbids it
	BadRequest                         // the request cannot be sent: URL, header
	Write                              // the request could not be written whole
	HeaderTimeout                      // no header in time
	Reset                              // the connection ended before any byte of an answer
	Cut                                // the connection ended within the answer
	BadResponse                        // the answer breaks HTTP
	TooLarge                           // the header block, or what a compressed body holds
	Cancelled                          // Cancel was called
)

func (k ErrorKind) String() string {
	switch k {
	case Dial:
		return "cannot connect"
	case DNS:
		return "cannot resolve host"
	case TLS:
		return "TLS failed"
	case Refused:
		return "connection refused"
	case Blocked:
		return "address not allowed"
	case BadRequest:
		return "cannot send request"
	case Write:
		return "cannot write request"
	case HeaderTimeout:
		return "no answer in time"
	case Reset:
		return "connection ended before an answer"
	case Cut:
		return "answer cut short"
	case BadResponse:
		return "malformed answer"
	case TooLarge:
		return "answer too large"
	case Cancelled:
		return "cancelled"
	}
	return "unknown failure"
}

// An Error is a failed exchange. Its text holds no header, path or secret.
type Error struct {
	Kind ErrorKind
	Sent bool // a byte of the request was written, so the upstream may have acted (and billed)
	Err  error
}

func (e *Error) Error() string {
	if e.Err == nil {
		return e.Kind.String()
	}
	return e.Kind.String() + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// ErrTick says that the time given has passed. Nothing is lost: call again.
var ErrTick = errors.New("tick")

// ErrCancelled is what Header and Read return after Cancel; it is an *Error.
var ErrCancelled error = &Error{Kind: Cancelled, Sent: true}

// explainDial classifies what stopped a connection from being made.
func explainDial(err error) *Error {
	var known *Error
	var dns *net.DNSError
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, ErrBlocked):
		return &Error{Kind: Blocked, Err: err}
	case errors.Is(err, context.Canceled):
		return ErrCancelled.(*Error)
	case errors.As(err, &dns):
		return &Error{Kind: DNS, Err: err}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &Error{Kind: Refused, Err: err}
	case isTLS(err):
		return &Error{Kind: TLS, Err: err}
	}
	return &Error{Kind: Dial, Err: err}
}

func isTLS(err error) bool {
	var (
		verify *tls.CertificateVerificationError
		record tls.RecordHeaderError
		alert  tls.AlertError
		host   x509.HostnameError
		auth   x509.UnknownAuthorityError
	)
	return errors.As(err, &verify) || errors.As(err, &record) || errors.As(err, &alert) || errors.As(err, &host) || errors.As(err, &auth)
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &ne) && ne.Timeout()
}
