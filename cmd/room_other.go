//go:build !unix

package cmd

import "errors"

// roomOf is not known here.
func roomOf(string) (free, total uint64, err error) { return 0, 0, errors.ErrUnsupported }
