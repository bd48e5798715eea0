//go:build !race

package wire

// slow is what time limits of tests are multiplied by.
const slow = 1
