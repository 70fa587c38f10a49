// Package http01 names the challenge over HTTP.
package http01

import "time"

// ChallengeOption does nothing.
type ChallengeOption func()

// SetDelay does nothing.
func SetDelay(time.Duration) ChallengeOption { return func() {} }

// ChallengePath is where a challenge is looked for, after RFC 8555, section 8.3.
func ChallengePath(token string) string { return "/.well-known/acme-challenge/" + token }
