// Package configtest has the platforms that tests use. They are the tests' own:
// an edit of config.Default changes neither what a test does nor whether it
// passes. Only a test about the deployed platform itself reads Default: that it
// is valid, that the committed tree is what it renders, that the workflows name its
// environments, and that it can be planned and demonstrated.
package configtest

import "github.com/specboard/platform/gen/config"

// All returns the platforms by name. They differ in all that a test might take
// for granted: names, region, zones, domain, services, environments and their
// order, secrets, the defaults that one of them leaves out, and the parts that
// one does without.
func All() map[string]config.Platform {
	return map[string]config.Platform{"docs": Docs(), "market": Market(), "mill": Mill(), "shop": Shop()}
}
