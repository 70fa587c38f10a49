// Package tlsalpn01 names the challenge in the TLS handshake.
package tlsalpn01

import (
	"errors"
	"time"
)

// ACMETLS1Protocol is the name of the protocol in ALPN, after RFC 8737.
const ACMETLS1Protocol = "acme-tls/1"

// ChallengeOption does nothing.
type ChallengeOption func()

// SetDelay does nothing.
func SetDelay(time.Duration) ChallengeOption { return func() {} }

// ChallengeBlocks fails.
func ChallengeBlocks(string, string) ([]byte, []byte, error) { return nil, nil, errors.ErrUnsupported }
