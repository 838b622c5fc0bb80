package config

import (
	"path"
	"path/filepath"
	"strings"
)

// image checks where an image is built from: paths within the checkout, as
// workflows and Docker take them, and a platform that Fargate runs.
func (c *checker) image(at string, i Image) {
	inside := func(name, p, example string) {
		c.must(p == "" || filepath.IsLocal(p) && path.Clean(p) == p && isPrintable(p) && !strings.ContainsAny(p, " \\"), at+".image."+name, p,
			"is not a path within the checkout: relative, with slashes, without spaces or ..", example)
	}
	inside("context", i.Context, "services/api")
	inside("dockerfile", i.Dockerfile, "services/api/Dockerfile")
	c.must(i.Platform == "" || i.Platform == platformAMD64 || i.Platform == platformARM64, at+".image.platform", i.Platform,
		"is not a platform of Fargate: "+platformAMD64+" or "+platformARM64, platformARM64)
}
