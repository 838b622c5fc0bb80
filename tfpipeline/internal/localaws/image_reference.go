package localaws

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
)

// ImageDigest returns the digest that an image reference stands for now:
//
//	123456789012.dkr.ecr.us-west-2.amazonaws.com/doc-platform/api:TAG
//	123456789012.dkr.ecr.us-west-2.amazonaws.com/doc-platform/api@sha256:…
//
// An image of a public registry, as sidecars have, is taken for what its reference
// says. The error is what ECS says of a task whose image cannot be pulled.
func (e *Endpoint) ImageDigest(ctx context.Context, reference string) (string, error) {
	if public(reference) {
		if _, digest, ok := strings.Cut(reference, "@"); ok {
			return digest, nil
		}
		return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(reference))), nil
	}
	key, id, err := e.images.parseReference(reference)
	if err != nil {
		return "", fmt.Errorf("CannotPullContainerError: %w", err)
	}
	if _, err := e.images.repository(ctx, key.region, key.name); err != nil {
		return "", fmt.Errorf("CannotPullContainerError: pull image manifest of %s: %w", reference, err)
	}
	e.images.mu.Lock()
	defer e.images.mu.Unlock()
	i := e.images.find(key, id)
	if i == nil {
		return "", fmt.Errorf("CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref %s: not found", reference)
	}
	return i.digest, nil
}

// public reports whether an image is in no private registry of ECR.
func public(reference string) bool {
	host, _, _ := strings.Cut(reference, "/")
	return !strings.Contains(host, ".dkr.ecr.")
}

// parseReference splits a reference to one of this registry's repositories.
// Without a tag it means latest.
func (s *images) parseReference(reference string) (key repositoryKey, id imageID, err error) {
	host, path, ok := strings.Cut(reference, "/")
	region, aws := strings.CutSuffix(strings.TrimPrefix(host, s.account+".dkr.ecr."), ".amazonaws.com")
	if !ok || !aws || !strings.HasPrefix(host, s.account+".dkr.ecr.") {
		return key, id, fmt.Errorf("%s is not in the registry of account %s", reference, s.account)
	}
	name, digest, _ := strings.Cut(path, "@")
	name, tag, tagged := strings.Cut(name, ":")
	if digest == "" && !tagged {
		tag = "latest"
	}
	if digest != "" {
		// If there are both, the digest counts.
		tag = ""
	}
	return repositoryKey{region, name}, imageID{digest, tag}, nil
}
