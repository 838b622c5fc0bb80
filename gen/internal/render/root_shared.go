package render

import (
	"slices"
	"strconv"

	"github.com/specboard/platform/gen/config"
)

// sharedRoot is the root of what exists once per account. A person applies it,
// since it contains the roles that deploy everything else.
func sharedRoot(p config.Platform) root {
	files := rootSettings(p, config.SharedRoot)

	var names []string
	for _, s := range p.Services {
		if s.Builds() {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	repositories := list{}
	for _, n := range names {
		repositories = append(repositories, p.RepositoryName(n))
	}
	var environments object
	for _, e := range p.Environments {
		histories, refs := row{e.Name}, row{"refs/heads/" + p.Repository.Branch}
		if e.Proof != nil {
			histories = append(histories, e.Proof.From)
			if !e.Proof.ByHand {
				refs = append(refs, "refs/tags/*")
			}
		}
		about := object{{"histories", histories}}
		if granted := permissionList(p.BoundaryOf(e)); len(granted) > 0 {
			about = append(about, field{"permissions", granted})
		}
		about = append(about, field{"protected", e.Protected}, field{"refs", refs})
		if p.SendsMail() {
			about = append(object{about[0], {"mail", true}}, about[1:]...)
		}
		if e.Exec {
			about = append(object{{"exec", true}}, about...)
		}
		if p.HasLoadBalancer() {
			names := object{{"domain", p.Host(e)}}
			if hosts := p.FurtherHosts(e); len(hosts) > 0 {
				about = append(object{about[0], {"hosts", list(strs(hosts))}}, about[1:]...)
			}
			about = append(names, about...)
		}
		if secret, ok := p.DatabaseSecret(); ok && e.Exec {
			about = append(object{{"database_secret", p.SecretName(e.Name, secret.Name)}}, about...)
		}
		environments = append(environments, field{e.Name, about})
	}

	outputs := []node{}
	var zone any = p.ZoneID
	makesZone := p.HasLoadBalancer() && p.ZoneID == ""
	if makesZone {
		zone = expr("aws_route53_zone.this.zone_id")
		files = append(files, source{"dns.tf", []node{
			comment("Delegate the domain to this zone's name servers before the first environment is created: certificates wait for it."),
			resource("aws_route53_zone", "this",
				set("name", p.Domain),
				set("comment", p.Name),
			),
		}})
		outputs = append(outputs,
			output{"name_servers", "Name servers that the domain's registrar must point to.", "aws_route53_zone.this.name_servers"}.block())
	}
	outputs = append(outputs,
		output{"repository_urls", "Where the images of each service are pushed to.", "{ for name, repository in module.repository : name => repository.url }"}.block(),
		output{"role_arns", "Roles of GitHub's workflows, by purpose.", "module.github.role_arns"}.block(),
	)
	if slices.ContainsFunc(p.Environments, func(e config.Environment) bool { return e.Exec }) {
		outputs = append(outputs, output{"operate_policy_arns", "Policies for people who run commands in tasks, by environment.", "module.github.operate_policy_arns"}.block())
	}
	if makesZone {
		outputs = append(outputs, output{"zone_id", "Hosted zone of the domain.", "aws_route53_zone.this.zone_id"}.block())
	}

	github := []node{
		set("account", p.Account),
		set("branch", p.Repository.Branch),
		set("environments", environments),
		set("platform", p.Name),
		set("region", p.Region),
		set("repository", p.Repository.Owner+"/"+p.Repository.Name),
		set("state_bucket", p.StateBucket()),
	}
	if p.HasLoadBalancer() {
		github = append(github, set("zone_id", zone))
	}
	if r := p.Repository; r.ID != 0 {
		github = append(github, set("repository_ids", object{
			{"owner", strconv.FormatInt(r.OwnerID, 10)},
			{"repository", strconv.FormatInt(r.ID, 10)},
		}))
	}
	files = append(files,
		source{"repositories.tf", []node{
			labelled("module", "repository",
				set("source", "../../modules/repository"),
				set("for_each", call{"toset", repositories}),
				set("name", expr("each.key")),
			),
		}},
		source{"github.tf", []node{moduleCall("github", "github", github...)}},
		source{"outputs.tf", outputs},
	)
	return root{config.SharedRoot, files}
}
