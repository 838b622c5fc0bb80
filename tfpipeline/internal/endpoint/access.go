package endpoint

import (
	"context"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// Access directs AWS calls to a loopback endpoint: Environ those of another
// process, Config those of the SDK. No setting of the user's, in the
// environment or in a profile, leads a call elsewhere.
type Access struct {
	// URL is the endpoint's address, Region the region that calls are signed
	// for.
	URL, Region string
	// Key is both access key and secret key. It grants access to nothing else.
	Key string
}

// Variables returns the variables to set and those to remove: Go's SDK ignores
// an empty AWS_PROFILE, but Python's looks for a profile of that name.
// inherited are the NAME=value lines of the process that starts the other one.
func (a Access) Variables(inherited []string) (set map[string]string, unset []string) {
	set = map[string]string{
		"AWS_ENDPOINT_URL": a.URL,
		// A profile may tell the SDK to ignore configured endpoints; this
		// variable takes precedence.
		"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
		"AWS_ACCESS_KEY_ID":                   a.Key,
		"AWS_SECRET_ACCESS_KEY":               a.Key,
		"AWS_REGION":                          a.Region,
		"AWS_DEFAULT_REGION":                  a.Region,
		"AWS_CONFIG_FILE":                     os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE":         os.DevNull,
		"AWS_EC2_METADATA_DISABLED":           "true",
	}
	unset = []string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN"}
	var direct string
	for _, kv := range inherited {
		name, value, _ := strings.Cut(kv, "=")
		switch {
		case strings.EqualFold(name, "NO_PROXY") && value != "":
			direct = value + ","
		case foreign(name) && set[name] == "":
			unset = append(unset, name)
		}
	}
	// Go's clients never use a proxy for the loopback address; other clients
	// may.
	set["NO_PROXY"] = direct + "127.0.0.1,localhost,::1"
	set["no_proxy"] = set["NO_PROXY"]
	slices.Sort(unset)
	return set, slices.Compact(unset)
}

// foreign reports whether a variable may change where AWS calls go, who makes
// them, or whether they succeed. Every variable of AWS's may.
func foreign(name string) bool {
	return slices.ContainsFunc([]string{"AWS_", "TF_AWS_", "BOTO_"}, func(p string) bool { return strings.HasPrefix(name, p) })
}

// Environ returns the whole environment of a process whose AWS calls go to
// this endpoint: the inherited variables without AWS's, and those that
// Variables sets.
func (a Access) Environ(inherited []string) []string {
	set, unset := a.Variables(inherited)
	var env []string
	for _, kv := range inherited {
		name, _, _ := strings.Cut(kv, "=")
		if _, ours := set[name]; !ours && !slices.Contains(unset, name) {
			env = append(env, kv)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		env = append(env, name+"="+set[name])
	}
	return env
}

// Config does for the SDK's clients what Environ does for another process.
func (a Access) Config() aws.Config {
	return aws.Config{
		Region: a.Region, BaseEndpoint: &a.URL,
		Credentials: credentials.NewStaticCredentialsProvider(a.Key, a.Key, ""),
	}
}

// SecretsOnly returns the variables to add to a process's environment, so that its
// calls to Secrets Manager go to url, and all others where they went before. inherited
// is that environment, and cfg was loaded from it. If cfg says that the process ignores
// configured endpoints, the variables make it heed them, and clear all in inherited.
func SecretsOnly(ctx context.Context, url string, cfg aws.Config, inherited []string) map[string]string {
	env := map[string]string{}
	for _, kv := range inherited {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "AWS_ENDPOINT_URL") && ignoresEndpoints(ctx, cfg) {
			env[name] = ""
		}
	}
	env["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "false"
	env["AWS_ENDPOINT_URL_SECRETS_MANAGER"] = url
	return env
}

// ignoresEndpoints reports whether the user's settings disable all configured
// endpoints.
func ignoresEndpoints(ctx context.Context, cfg aws.Config) bool {
	ignored, _, err := awsconfig.GetIgnoreConfiguredEndpoints(ctx, cfg.ConfigSources)
	return ignored && err == nil
}

// IsLoopback reports whether the URL of an endpoint leads to this machine.
func IsLoopback(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Hostname() == "127.0.0.1" || u.Hostname() == "localhost" || u.Hostname() == "::1")
}
