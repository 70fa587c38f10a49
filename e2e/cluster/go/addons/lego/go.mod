// A stand-in for the ACME client that Traefik links in: with it come a hundred and eighty DNS providers and the SDKs of
// their clouds, 900 packages, and this cluster's gateway asks nobody for certificates. What Traefik names is here and
// answers ErrUnsupported.
module github.com/go-acme/lego/v4

go 1.24.0
