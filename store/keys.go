package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/big"
	"strings"
)

// A key reads "sk-gw-" id "_" secret check: an id of 8 characters that may be
// shown, 32 random bytes as 43 digits of base 62, and the CRC-32 of all before it
// as 6 digits, so that a typing error is told from a wrong key without the store,
// and a scanner for leaked secrets knows ours.
const (
	keyMark     = "sk-gw-"
	keyIDLen    = 8
	secretBytes = 32
	secretLen   = 43 // digits of base 62 that 32 bytes need
	checkLen    = 6  // … that 32 bits need
	keyLen      = len(keyMark) + keyIDLen + 1 + secretLen + checkLen
)

const (
	base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	base36 = "0123456789abcdefghijklmnopqrstuvwxyz"
)

// Errors of ParseKey.
var (
	ErrKeyTypo    = errors.New("key is mistyped or cut short")     // ours, but for its form or check
	ErrKeyForeign = errors.New("key was not made by this gateway") // may still be one that was imported
	ErrKeyForm    = errors.New("not a key: it is empty, too long, or holds characters that no key has")
)

// maxKeyLen bounds what is taken for a key at all, imported ones included.
const maxKeyLen = 512

// MintKey makes a key from rand, which must be crypto/rand.Reader outside tests.
// full is the key, to be shown once; id its public part; hash what is stored.
func MintKey(rand io.Reader) (full, id string, hash [32]byte, err error) {
	fail := func(err error) (string, string, [32]byte, error) {
		return "", "", [32]byte{}, fmt.Errorf("cannot mint key: %w", err)
	}
	b := make([]byte, 0, keyLen)
	b = append(b, keyMark...)
	var one [1]byte
	for len(b) < len(keyMark)+keyIDLen {
		if _, err := io.ReadFull(rand, one[:]); err != nil {
			return fail(err)
		}
		if one[0] < 252 { // 7 × 36: beyond it some characters would be likelier
			b = append(b, base36[one[0]%36])
		}
	}
	id = string(b[len(keyMark):])
	var secret [secretBytes]byte
	if _, err := io.ReadFull(rand, secret[:]); err != nil {
		return fail(err)
	}
	b = append(b, '_')
	b = appendBase62(b, new(big.Int).SetBytes(secret[:]), secretLen)
	b = appendBase62(b, big.NewInt(int64(crc32.ChecksumIEEE(b))), checkLen)
	full = string(b)
	return full, id, HashKey(full), nil
}

// appendBase62 appends n as width digits, the highest first.
func appendBase62(dst []byte, n *big.Int, width int) []byte {
	at := len(dst)
	dst = append(dst, strings.Repeat("0", width)...)
	base, digit := big.NewInt(62), new(big.Int)
	n = new(big.Int).Set(n)
	for i := at + width - 1; i >= at; i-- {
		n.DivMod(n, base, digit)
		dst[i] = base62[digit.Int64()]
	}
	return dst
}

// ParseKey checks the form of a key without knowing which keys exist and returns
// what of it may be shown ("sk-gw-ab12cd34"). An error wraps ErrKeyTypo if s is one
// of ours but for its check, ErrKeyForeign if its shape is another's (then prefix is
// its first characters, at most a quarter of it), and ErrKeyForm if it can be no
// key. Errors never hold the key.
func ParseKey(s string) (prefix string, err error) {
	if len(s) == 0 || len(s) > maxKeyLen {
		return "", ErrKeyForm
	}
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] > '~' {
			return "", ErrKeyForm
		}
	}
	if !strings.HasPrefix(s, keyMark) {
		return s[:min(8, len(s)/4)], ErrKeyForeign
	}
	if len(s) != keyLen || s[len(keyMark)+keyIDLen] != '_' {
		return "", ErrKeyTypo
	}
	prefix = s[:len(keyMark)+keyIDLen]
	if strings.Trim(prefix[len(keyMark):], base36) != "" {
		return "", ErrKeyTypo
	}
	var want [checkLen]byte
	sum := crc32.ChecksumIEEE([]byte(s[:keyLen-checkLen]))
	for i := checkLen - 1; i >= 0; i-- {
		want[i] = base62[sum%62]
		sum /= 62
	}
	if string(want[:]) != s[keyLen-checkLen:] {
		return "", ErrKeyTypo
	}
	return prefix, nil
}

// HashKey returns what is stored of a key and what it is found by: its SHA-256. A
// minted key has 256 random bits, so a slow or salted hash would protect nothing.
func HashKey(s string) [32]byte { return sha256.Sum256([]byte(s)) }
