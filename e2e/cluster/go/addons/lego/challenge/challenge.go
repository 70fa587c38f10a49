// Package challenge says what a solver of challenges does.
package challenge

// Provider presents the solution of a challenge.
type Provider interface {
	Present(domain, token, keyAuth string) error
	CleanUp(domain, token, keyAuth string) error
}
