package render

import (
	"path"
	"strings"

	"github.com/specboard/platform/gen/config"
)

// root is one folder of envs/: the configuration of one state.
type root struct {
	name  string
	files []source
}

func (r root) render() (map[string][]byte, error) {
	return renderSources(path.Join("envs", r.name), r.files)
}

// rootSettings are the files that every root begins with: versions, where the
// state is, and which account and region this is about.
func rootSettings(p config.Platform, name string) []source {
	return []source{
		versions(config.ProviderConstraint),
		{"backend.tf", []node{
			nested("terraform",
				labelled("backend", "s3",
					set("bucket", p.StateBucket()),
					set("key", p.StateKey(name)),
					set("region", p.Region),
					set("encrypt", true),
					comment("The lock is an object beside the state; no other service is involved."),
					set("use_lockfile", true),
				),
			),
		}},
		{"providers.tf", []node{
			labelled("provider", "aws",
				set("region", p.Region),
				comment("Wrong credentials fail here, and not by changing another account."),
				set("allowed_account_ids", row{p.Account}),
				nested("default_tags",
					set("tags", object{
						{"Environment", name},
						{"ManagedBy", "terraform"},
						{"Platform", p.Name},
						{"Source", "https://github.com/" + p.Repository.Owner + "/" + p.Repository.Name},
					}),
				),
			),
		}},
	}
}

// moduleCall is a module block.
func moduleCall(name, source string, body ...node) block {
	return labelled("module", name, append([]node{set("source", "../../modules/"+source)}, body...)...)
}

// identifier turns a name of ours into a Terraform identifier.
func identifier(name string) string { return strings.ReplaceAll(name, "-", "_") }

// at is module.<name>.<output>.
func at(module, output string) expr { return expr("module." + identifier(module) + "." + output) }
