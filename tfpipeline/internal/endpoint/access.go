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

// Access is how AWS calls are made to end at a loopback endpoint: those of
// another process by its environment, those of the SDK by its configuration.
// Nothing that a user has set, in the environment or in a profile, leads one
// of them elsewhere.
type Access struct {
	// URL is the endpoint's, Region the one that calls are signed for.
	URL, Region string
	// Key is access key and secret key in one. It opens nothing.
	Key string
}

// Variables are what must be set, and what must not be: an empty AWS_PROFILE
// is none for Go's SDK, and one that does not exist for Python's. inherited
// are the NAME=value lines of the process that starts the other.
func (a Access) Variables(inherited []string) (set map[string]string, unset []string) {
	set = map[string]string{
		"AWS_ENDPOINT_URL": a.URL,
		// A profile may have endpoints ignored; the variable wins.
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
	// Go's clients ask no proxy for the loopback address; others do.
	set["NO_PROXY"] = direct + "127.0.0.1,localhost,::1"
	set["no_proxy"] = set["NO_PROXY"]
	slices.Sort(unset)
	return set, slices.Compact(unset)
}

// foreign reports whether a variable may change where AWS calls go, as whom,
// or whether they succeed. All of AWS's settings may.
func foreign(name string) bool {
	return slices.ContainsFunc([]string{"AWS_", "TF_AWS_", "BOTO_"}, func(p string) bool { return strings.HasPrefix(name, p) })
}

// Environ is the whole environment for a process whose AWS calls end here:
// what is inherited, but for AWS's settings, and this endpoint's.
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

// Config is Environ for the SDK's clients.
func (a Access) Config() aws.Config {
	return aws.Config{
		Region: a.Region, BaseEndpoint: &a.URL,
		Credentials: credentials.NewStaticCredentialsProvider(a.Key, a.Key, ""),
	}
}

// SecretsOnly is what to add to an environment, so that a process's calls of
// Secrets Manager end at url and all others where the configuration, which is
// that of the same environment, has them end. For that the process must heed
// configured endpoints; if it did not, the others are switched off instead.
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

// ignoresEndpoints reports whether a user has all configured endpoints ignored.
func ignoresEndpoints(ctx context.Context, cfg aws.Config) bool {
	ignored, _, err := awsconfig.GetIgnoreConfiguredEndpoints(ctx, cfg.ConfigSources)
	return ignored && err == nil
}

// IsLoopback reports whether the URL of an endpoint leads to this machine.
func IsLoopback(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Hostname() == "127.0.0.1" || u.Hostname() == "localhost" || u.Hostname() == "::1")
}
