package deploy

import "context"

// Images are those in the registry, one repository a service.
type Images interface {
	// Digests returns what a tag means in the repository of each service. A
	// service without such an image is absent.
	Digests(ctx context.Context, tag string, services []string) (map[string]string, error)
	// Missing returns the services whose repository does not hold the digest.
	Missing(ctx context.Context, digests map[string]string) ([]string, error)
	// Tag gives the very manifests a further tag, without a rebuild. That they
	// have it already is no error.
	Tag(ctx context.Context, digests map[string]string, tag string) error
}
