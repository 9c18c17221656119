//go:build race

package proxy

// raceDetector tells whether the tests run under the race detector.
const raceDetector = true
