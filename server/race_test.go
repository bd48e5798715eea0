//go:build race

package server

// raceOn: pools drop at random under the race detector, so that allocations cannot be counted.
const raceOn = true
