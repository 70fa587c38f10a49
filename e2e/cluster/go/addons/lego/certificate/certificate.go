// Package certificate asks for certificates, in vain.
package certificate

import "errors"

// Resource is a certificate.
type Resource struct {
	Domain      string
	PrivateKey  []byte
	Certificate []byte
}

// ObtainRequest says which certificate is wanted.
type ObtainRequest struct {
	Domains        []string
	EmailAddresses []string
	Profile        string
	PreferredChain string
	Bundle         bool
}

// RenewOptions says how one is renewed.
type RenewOptions struct {
	EmailAddresses []string
	Profile        string
	PreferredChain string
	Bundle         bool
}

// Certifier obtains nothing.
type Certifier struct{}

// Obtain fails.
func (*Certifier) Obtain(ObtainRequest) (*Resource, error) { return nil, errors.ErrUnsupported }

// RenewWithOptions fails.
func (*Certifier) RenewWithOptions(Resource, *RenewOptions) (*Resource, error) {
	return nil, errors.ErrUnsupported
}
