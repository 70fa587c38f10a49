// Package dns01 names the options of the challenge over DNS.
package dns01

import (
	"strings"
	"time"
)

// ChallengeOption does nothing.
type ChallengeOption func()

// AddRecursiveNameservers does nothing.
func AddRecursiveNameservers([]string) ChallengeOption { return func() {} }

// RecursiveNSsPropagationRequirement does nothing.
func RecursiveNSsPropagationRequirement() ChallengeOption { return func() {} }

// DisableAuthoritativeNssPropagationRequirement does nothing.
func DisableAuthoritativeNssPropagationRequirement() ChallengeOption { return func() {} }

// PropagationWait does nothing.
func PropagationWait(time.Duration, bool) ChallengeOption { return func() {} }

// UnFqdn is the name without its last dot.
func UnFqdn(name string) string { return strings.TrimSuffix(name, ".") }
