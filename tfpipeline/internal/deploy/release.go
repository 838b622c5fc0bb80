package deploy

import "strings"

// Release is what is promoted: one commit and the exact images built from it.
type Release struct {
	// Tag is the release's tag, such as "v1.4.0"; empty for a commit that no
	// release names, as on staging.
	Tag string `json:"tag,omitempty"`
	// Commit is the full commit.
	Commit string `json:"commit"`
	// Digests are the images by service, such as "sha256:…". Resolved once.
	Digests map[string]string `json:"digests,omitempty"`
}

// String is the tag, or the short commit.
func (r Release) String() string {
	switch {
	case r.Tag != "":
		return r.Tag
	case len(r.Commit) > 12:
		return r.Commit[:12]
	case r.Commit == "":
		return "none"
	default:
		return r.Commit
	}
}

// IsZero reports whether there is no release.
func (r Release) IsZero() bool { return r.Commit == "" && r.Tag == "" }

// Same reports whether both are one release: one commit. A tag alone does not
// tell, since a tag can be moved.
func (r Release) Same(o Release) bool { return r.Commit != "" && r.Commit == o.Commit }

// Named reports whether a name that a person gave means this release: its tag,
// its commit, or at least seven characters of that.
func (r Release) Named(name string) bool {
	return name != "" && (name == r.Tag || len(name) >= 7 && strings.HasPrefix(r.Commit, name))
}
