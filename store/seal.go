package store

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// The sealed form: version (1), id of the master key (8), nonce (12) and the data
// key sealed by the master's key (32 + 16), nonce (12) and the secret sealed by the
// data key (n + 16). Rotating the master key rewrites the wrapping alone. Both
// seals are bound to the header and to the record and field they are for.
const (
	sealVersion = 1
	keyIDBytes  = 8
	nonceLen    = 12
	tagLen      = 16
	dataKeyLen  = 32
	headerLen   = 1 + keyIDBytes
	wrappedLen  = nonceLen + dataKeyLen + tagLen
	minSealed   = headerLen + wrappedLen + nonceLen + tagLen
)

// MasterKeyLen is the length of a master key in bytes.
const MasterKeyLen = 32

// ErrWrongMasterKey is what a *MasterKeyError is.
var ErrWrongMasterKey = errors.New("sealed with another master key")

// ErrSealBroken says that sealed bytes were changed, cut short, or belong to another record.
var ErrSealBroken = errors.New("sealed secret is damaged or belongs to another record")

// A MasterKeyError names the two master keys by their ids, which tell nothing of the keys.
type MasterKeyError struct{ SealedWith, Have string }

func (e *MasterKeyError) Error() string {
	return fmt.Sprintf("sealed with master key %s, but the master key given is %s", e.SealedWith, e.Have)
}

// Is makes errors.Is(err, ErrWrongMasterKey) true.
func (e *MasterKeyError) Is(target error) bool { return target == ErrWrongMasterKey }

// A Sealer seals secrets with a master key (AES-256-GCM in an envelope). It is safe
// for concurrent use.
type Sealer struct {
	id    [keyIDBytes]byte
	kek   cipher.AEAD
	peers SecretString
}

// NewSealer returns the sealer of a master key of MasterKeyLen bytes.
func NewSealer(master []byte) (*Sealer, error) {
	if len(master) != MasterKeyLen {
		return nil, fmt.Errorf("cannot use master key: it has %d bytes, %d are needed", len(master), MasterKeyLen)
	}
	s := &Sealer{}
	id, err := hkdf.Key(sha256.New, master, nil, "ai-gateway master key id", keyIDBytes)
	if err != nil {
		return nil, fmt.Errorf("cannot derive master key id: %w", err)
	}
	copy(s.id[:], id)
	kek, err := hkdf.Key(sha256.New, master, nil, "ai-gateway key encryption key", 32)
	if err != nil {
		return nil, fmt.Errorf("cannot derive key: %w", err)
	}
	peers, err := hkdf.Key(sha256.New, master, nil, "ai-gateway peers", 32)
	if err != nil {
		return nil, fmt.Errorf("cannot derive key: %w", err)
	}
	s.peers = NewSecret("gw-peer-" + hex.EncodeToString(peers))
	s.kek, err = gcm(kek)
	return s, err
}

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("cannot make cipher: %w", err)
	}
	return cipher.NewGCM(block)
}

// KeyID names the master key; it may be shown.
func (s *Sealer) KeyID() string { return hex.EncodeToString(s.id[:]) }

// PeerToken is what gateways with the same master key prove to each other that they
// have it.
func (s *Sealer) PeerToken() SecretString { return s.peers }

// Seal seals plain for the place that aad names: the record's id and the field.
// Each secret has a fresh data key, so equal secrets do not look equal.
func (s *Sealer) Seal(plain SecretString, aad string) ([]byte, error) {
	var fresh [dataKeyLen + 2*nonceLen]byte
	if _, err := rand.Read(fresh[:]); err != nil {
		return nil, fmt.Errorf("cannot seal secret: %w", err)
	}
	dek, wrapNonce, dataNonce := fresh[:dataKeyLen], fresh[dataKeyLen:dataKeyLen+nonceLen], fresh[dataKeyLen+nonceLen:]
	inner, err := gcm(dek)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, minSealed+len(plain.s))
	out = append(append(out, sealVersion), s.id[:]...)
	bound := append(out[:headerLen:headerLen], aad...)
	out = append(out, wrapNonce...)
	out = s.kek.Seal(out, wrapNonce, dek, bound)
	out = append(out, dataNonce...)
	return inner.Seal(out, dataNonce, []byte(plain.s), bound), nil
}

// Open opens what Seal made for the same aad. The error is a *MasterKeyError if
// another master key sealed it, else it wraps ErrNewer or ErrSealBroken.
func (s *Sealer) Open(sealed []byte, aad string) (SecretString, error) {
	if len(sealed) > 0 && sealed[0] != sealVersion {
		return SecretString{}, fmt.Errorf("cannot open secret sealed in version %d: %w", sealed[0], ErrNewer)
	}
	if len(sealed) < minSealed {
		return SecretString{}, fmt.Errorf("cannot open secret: %w", ErrSealBroken)
	}
	if id := sealed[1:headerLen]; string(id) != string(s.id[:]) {
		return SecretString{}, &MasterKeyError{SealedWith: hex.EncodeToString(id), Have: s.KeyID()}
	}
	bound := append(sealed[:headerLen:headerLen], aad...)
	wrapped, data := sealed[headerLen:headerLen+wrappedLen], sealed[headerLen+wrappedLen:]
	dek, err := s.kek.Open(nil, wrapped[:nonceLen], wrapped[nonceLen:], bound)
	if err != nil {
		return SecretString{}, fmt.Errorf("cannot open secret: %w", ErrSealBroken)
	}
	inner, err := gcm(dek)
	if err != nil {
		return SecretString{}, err
	}
	plain, err := inner.Open(nil, data[:nonceLen], data[nonceLen:], bound)
	if err != nil {
		return SecretString{}, fmt.Errorf("cannot open secret: %w", ErrSealBroken)
	}
	return NewSecret(string(plain)), nil
}

// Names of the values in Snapshot.Meta that say which master key a store is sealed with.
const (
	MetaMasterKeyID    = "master_key_id"
	MetaMasterKeyCheck = "master_key_check"
)

const checkPlain, checkAAD = "ai-gateway", "store/master_key_check"

// CheckValue returns a value to be kept in the store, by which Verify tells whether
// a master key is the store's.
func (s *Sealer) CheckValue() ([]byte, error) { return s.Seal(NewSecret(checkPlain), checkAAD) }

// Verify returns nil if check was made by the same master key; errors as Open's.
func (s *Sealer) Verify(check []byte) error {
	got, err := s.Open(check, checkAAD)
	if err == nil && got.s != checkPlain {
		err = ErrSealBroken
	}
	if err != nil {
		return fmt.Errorf("cannot verify master key: %w", err)
	}
	return nil
}

// Reseal seals anew, for the same aad, what old has sealed. What s has sealed itself stays as it is.
func (s *Sealer) Reseal(sealed []byte, aad string, old *Sealer) ([]byte, error) {
	if len(sealed) >= minSealed && string(sealed[1:headerLen]) == string(s.id[:]) {
		return sealed, nil
	}
	plain, err := old.Open(sealed, aad)
	if err != nil {
		return nil, err
	}
	return s.Seal(plain, aad)
}
