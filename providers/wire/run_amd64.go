package wire

// run16 returns how many bytes s begins with that are no quote, backslash or control
// character, looking at whole blocks of 16 alone, and whether a byte it looked at is not
// ASCII (high is not 0).
//
//go:noescape
func run16(s string) (n int, high int)
