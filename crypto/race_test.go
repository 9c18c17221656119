//go:build race

package crypto

// raceDetector tells whether the tests run under the race detector.
const raceDetector = true
