//go:build !linux

package cmd

import "errors"

func calmMonitor() error { return errors.ErrUnsupported }
