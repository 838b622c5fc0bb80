package localaws

import "fmt"

// manifest is the manifest of an image by its digest; the reference says the
// repository.
func (s *images) manifest(reference, digest string) (string, error) {
	key, _, err := s.parseReference(reference)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(key, imageID{Digest: digest})
	if i == nil {
		return "", fmt.Errorf("pull image manifest has been retried 1 time(s): failed to resolve ref %s (%s): not found", reference, digest)
	}
	return i.manifest, nil
}
