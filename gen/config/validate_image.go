package config

import (
	"path"
	"path/filepath"
	"strings"
)

// image checks where an image is built from: paths within the checkout, as
// workflows and Docker take them, and a platform that Fargate runs.
func (c *checker) image(at string, s Service) {
	i := s.Image
	if !s.Builds() {
		c.sharedImage(at, s)
		return
	}
	inside := func(name, p, example string) {
		c.must(p == "" || filepath.IsLocal(p) && path.Clean(p) == p && isPrintable(p) && !strings.ContainsAny(p, " \\"), at+".image."+name, p,
			"is not a path within the checkout: relative, with slashes, without spaces or ..", example)
		c.must(!strings.HasPrefix(p, "-"), at+".image."+name, p, "begins with a hyphen, as options of Docker do", example)
	}
	inside("context", i.Context, "services/api")
	inside("dockerfile", i.Dockerfile, "services/api/Dockerfile")
	c.must(i.Platform == "" || i.Platform == platformAMD64 || i.Platform == platformARM64, at+".image.platform", i.Platform,
		"is not a platform of Fargate: "+platformAMD64+" or "+platformARM64, platformARM64)
}

// sharedImage checks a service that runs another one's image.
func (c *checker) sharedImage(at string, s Service) {
	builder, ok := c.Service(s.Image.Service)
	at += ".image.service"
	switch {
	case s.Image.Service == s.Name:
		c.must(false, at, s.Name, "is the service itself, whose image is its own anyway", literal("Image: config.Image{}"))
	case !ok:
		c.must(false, at, s.Image.Service, "is not a service whose image this one could run", mostAlike(s.Image.Service, c.ServiceNames()))
	default:
		c.must(builder.Builds(), at, s.Image.Service, "has no image of its own: it runs that of "+show(builder.Image.Service), builder.Image.Service)
	}
	c.must(s.Image == Image{Service: s.Image.Service}, at, s.Image.Service,
		"is whose image the service runs, so there is nothing to build: context, dockerfile and platform are that service's", literal("Image: config.Image{Service: "+show(s.Image.Service)+"}"))
	c.must(len(s.Command) > 0 || len(s.EntryPoint) > 0, at, s.Image.Service,
		"is whose image the service runs, and without a command of its own it would be that service once more", literal(`Command: []string{"worker"}`))
}
