package view

import "github.com/specboard/platform/gen/config"

// Description is the platform as workflows see it. Its names are a promise.
type Description struct {
	Platform string `json:"platform"`
	Account  string `json:"account"`
	Region   string `json:"region"`
	Domain   string `json:"domain"`
	// Repository is GitHub's, as OWNER/NAME, and Branch the one that is built.
	Repository  string `json:"repository"`
	Branch      string `json:"branch"`
	StateBucket string `json:"state_bucket"`
	// Roles are ARNs by purpose: plan, build, and deploy-ENV for each
	// environment.
	Roles        map[string]string        `json:"roles"`
	Roots        []string                 `json:"roots"`
	Environments []environmentDescription `json:"environments"`
	Services     []serviceDescription     `json:"services"`
	// Images are the services whose image is built, in their order: a service
	// that runs another one's has none.
	Images []imageDescription `json:"images"`
	Tasks  []string           `json:"tasks"`
}

type environmentDescription struct {
	Name      string `json:"name"`
	URL       string `json:"url"`
	Role      string `json:"role"`
	Protected bool   `json:"protected"`
	// ProofFrom is the environment that must have run a release before; "" for
	// none.
	ProofFrom string `json:"proof_from"`
}

type serviceDescription struct {
	Name string `json:"name"`
	// Repository is where images are pushed to.
	Repository string `json:"repository"`
	Public     bool   `json:"public"`
	imageSource
}

// imageSource is what an image is built from and for.
type imageSource struct {
	Context    string `json:"context"`
	Dockerfile string `json:"dockerfile"`
	Platform   string `json:"platform"`
}

type imageDescription struct {
	Name       string `json:"name"`
	Repository string `json:"repository"`
	imageSource
}

// Describe says of a platform what workflows need to know.
func Describe(p config.Platform) Description {
	role := func(purpose string) string {
		return "arn:aws:iam::" + p.Account + ":role/" + p.Name + "/" + p.Role(purpose)
	}
	d := Description{
		Platform: p.Name, Account: p.Account, Region: p.Region, Domain: p.Domain,
		Repository: p.Repository.Owner + "/" + p.Repository.Name, Branch: p.Repository.Branch, StateBucket: p.StateBucket(),
		Roles: map[string]string{"plan": role("plan"), "build": role("build")}, Roots: p.Roots(), Tasks: []string{},
	}
	for _, e := range p.Environments {
		described := environmentDescription{
			Name: e.Name, URL: p.URL(e), Role: role("deploy-" + e.Name), Protected: p.Protects(e.Name),
		}
		if e.Proof != nil {
			described.ProofFrom = e.Proof.From
		}
		d.Roles["deploy-"+e.Name] = described.Role
		d.Environments = append(d.Environments, described)
	}
	for _, s := range p.Services {
		builder, _ := p.Service(p.Builder(s.Name))
		i := builder.Image.OrDefault()
		source := imageSource{i.Context, i.Dockerfile, i.Platform}
		d.Services = append(d.Services, serviceDescription{s.Name, p.RepositoryURL(s.Name), s.Public(), source})
		if s.Builds() {
			d.Images = append(d.Images, imageDescription{s.Name, p.RepositoryURL(s.Name), source})
		}
	}
	for _, t := range p.Tasks {
		d.Tasks = append(d.Tasks, t.Name)
	}
	return d
}
