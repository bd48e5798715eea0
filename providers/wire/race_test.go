//go:build race

package wire

// slow is what time limits of tests are multiplied by: the race detector costs that much.
const slow = 20
