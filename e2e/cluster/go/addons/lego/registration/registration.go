// Package registration makes accounts, in vain.
package registration

import (
	"crypto"
	"errors"
)

// Resource is an account.
type Resource struct {
	URI string `json:"uri,omitempty"`
}

// User has an account.
type User interface {
	GetEmail() string
	GetRegistration() *Resource
	GetPrivateKey() crypto.PrivateKey
}

// RegisterOptions says that its terms are accepted.
type RegisterOptions struct {
	TermsOfServiceAgreed bool
}

// RegisterEABOptions binds an account elsewhere, too.
type RegisterEABOptions struct {
	TermsOfServiceAgreed bool
	Kid                  string
	HmacEncoded          string
}

// Registrar registers nobody.
type Registrar struct{}

// Register fails.
func (*Registrar) Register(RegisterOptions) (*Resource, error) { return nil, errors.ErrUnsupported }

// RegisterWithExternalAccountBinding fails.
func (*Registrar) RegisterWithExternalAccountBinding(RegisterEABOptions) (*Resource, error) {
	return nil, errors.ErrUnsupported
}
