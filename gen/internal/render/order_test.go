package render

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

// comesAfter lists what AWS refuses to create before something else exists,
// though neither names the other: {what, what must be there, what AWS says}.
var comesAfter = [][3]string{
	{"aws_ecs_service.this", "aws_lb_listener_rule.this", "The target group does not have an associated load balancer"},
	{"aws_ecs_service.this", "aws_iam_role_policy.execution", "tasks cannot pull, read secrets or write logs"},
	{"aws_ecs_service.this", "aws_route.private_nat", "tasks reach no registry"},
	{"aws_ecs_service.this", "aws_route_table_association.private", "tasks reach no registry"},
	{"aws_ecs_service.this", "aws_vpc_endpoint.s3", "layers of images pass the NAT gateway"},
	{"aws_lb.this", "aws_internet_gateway.this", "VPC has no internet gateway"},
	{"aws_lb.this", "aws_route.public_internet", "the load balancer is not reachable"},
	{"aws_lb.this", "aws_route_table_association.public", "the load balancer is not reachable"},
	{"aws_nat_gateway.this", "aws_internet_gateway.this", "Network has no Internet gateway attached"},
	{"aws_lb_listener.https", "aws_acm_certificate_validation.this", "UnsupportedCertificate"},
	{"aws_db_subnet_group.this", "aws_route_table_association.isolated", "the database starts in the main route table's subnets"},
	{"aws_lb.this", "aws_s3_bucket_policy.this", "Access Denied for bucket"},
	{"aws_flow_log.this", "aws_s3_bucket_policy.this", "Access Denied for LogDestination"},
	{"aws_s3_bucket_policy.this", "aws_s3_bucket_public_access_block.this", "OperationAborted: A conflicting conditional operation is in progress"},
	{"aws_db_instance.this", "aws_cloudwatch_log_group.this", "RDS makes the group itself, and it never expires"},
}

// TestOrder proves that nothing depends on the luck of Terraform's order, and
// that each depends_on is needed: without it something comes too early.
func TestOrder(t *testing.T) {
	for name, p := range map[string]config.Platform{"docs": configtest.Docs(), "shop": configtest.Shop()} {
		tree := map[string]string{}
		for file, content := range renderTree(t, p) {
			tree[file] = string(content)
		}
		root := "envs/" + p.Environments[len(p.Environments)-1].Name
		for _, early := range tooEarly(t, tree, root) {
			t.Errorf("%s: %s", name, early)
		}
		if name != "docs" {
			continue
		}
		removed := 0
		for file, content := range tree {
			if !strings.HasSuffix(file, ".tf") {
				continue
			}
			for _, at := range dependsOn.FindAllStringSubmatchIndex(content, -1) {
				for _, dependency := range strings.Split(content[at[2]:at[3]], ", ") {
					without := map[string]string{}
					for f, c := range tree {
						without[f] = c
					}
					without[file] = content[:at[2]] + strings.Replace(content[at[2]:at[3]], dependency, "", 1) + content[at[3]:]
					without[file] = strings.NewReplacer("[, ", "[", ", ]", "]", ", , ", ", ").Replace(without[file])
					if len(tooEarly(t, without, root)) == 0 {
						t.Errorf("%s: nothing shows what depends_on = [%s] is for", file, dependency)
					}
					removed++
				}
			}
		}
		if removed < 8 {
			t.Errorf("%d dependencies were removed, want 8 at least", removed)
		}
	}
}

var dependsOn = regexp.MustCompile(`(?m)^ +depends_on += \[(.+)\]$`)

// tooEarly are the rows of comesAfter that a root does not keep.
func tooEarly(t *testing.T, tree map[string]string, root string) []string {
	t.Helper()
	g := order{modules: map[string][]*hclsyntax.Block{}, edges: map[string][]string{}}
	for file, content := range tree {
		if !strings.HasSuffix(file, ".tf") {
			continue
		}
		f, diags := hclsyntax.ParseConfig([]byte(content), file, hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		g.modules[path.Dir(file)] = append(g.modules[path.Dir(file)], f.Body.(*hclsyntax.Body).Blocks...)
	}
	g.add(root, "")
	var early []string
	for _, row := range comesAfter {
		known := false
		for node := range g.edges {
			if !strings.HasSuffix(node, "/"+row[0]) {
				continue
			}
			known = true
			if !g.leads(node, "/"+row[1], map[string]bool{}) {
				early = append(early, node+" does not wait for "+row[1]+": "+row[2])
			}
		}
		if !known {
			t.Errorf("no %s in %s", row[0], root)
		}
	}
	return early
}

// order is what waits for what, in a root with its modules: addresses are
// MODULE/TYPE.NAME.
type order struct {
	modules map[string][]*hclsyntax.Block
	edges   map[string][]string
}

// add adds the module in a folder, called at an address.
func (g *order) add(dir, at string) {
	for _, b := range g.modules[dir] {
		switch b.Type {
		case "locals":
			for name, a := range b.Body.Attributes {
				g.waits(at+"/local."+name, at, a.Expr)
			}
		case "variable":
		case "module":
			child := at + "/" + b.Labels[0]
			source, _ := b.Body.Attributes["source"].Expr.Value(nil)
			for name, a := range b.Body.Attributes {
				if name == "depends_on" {
					continue // the platform has none on a module
				}
				g.waits(child+"/var."+name, at, a.Expr)
			}
			g.add(path.Join(dir, source.AsString()), child)
		case "output":
			g.body(at+"/output."+b.Labels[0], at, b.Body)
		case "resource":
			g.body(at+"/"+b.Labels[0]+"."+b.Labels[1], at, b.Body)
		case "data", "ephemeral":
			g.body(at+"/"+b.Type+"."+b.Labels[0]+"."+b.Labels[1], at, b.Body)
		}
	}
}

func (g *order) body(node, at string, b *hclsyntax.Body) {
	g.edges[node] = append(g.edges[node], "")
	for _, a := range b.Attributes {
		g.waits(node, at, a.Expr)
	}
	for _, inner := range b.Blocks {
		g.body(node, at, inner.Body)
	}
}

// waits notes what an expression refers to.
func (g *order) waits(node, at string, e hclsyntax.Expression) {
	for _, v := range hclsyntax.Variables(e) {
		names := []string{v.RootName()}
		for _, step := range v[1:] {
			if a, ok := step.(hcl.TraverseAttr); ok {
				names = append(names, a.Name)
			} else {
				break
			}
		}
		if len(names) < 2 {
			continue
		}
		target := at + "/" + names[0] + "." + names[1]
		switch names[0] {
		case "module":
			if len(names) < 3 {
				continue
			}
			target = at + "/" + names[1] + "/output." + names[2]
		case "data", "ephemeral":
			target += "." + names[2]
		}
		g.edges[node] = append(g.edges[node], target)
	}
}

// leads reports whether a node waits for one whose address ends so.
func (g *order) leads(node, end string, seen map[string]bool) bool {
	if seen[node] {
		return false
	}
	seen[node] = true
	for _, next := range g.edges[node] {
		if strings.HasSuffix(next, end) || g.leads(next, end, seen) {
			return true
		}
	}
	return false
}

// A rule for drift of what no module has accepts nothing, and may go.
func TestAcceptedDriftIsOfResourcesThatExist(t *testing.T) {
	var types []string
	for _, m := range modules() {
		types = append(types, m.resources("resource")...)
	}
	for _, rule := range config.AcceptedDrifts() {
		if !slices.Contains(types, rule.Type) {
			t.Errorf("%s.%s (%s): no module has such a resource", rule.Type, rule.Attribute, rule.Owner)
		}
	}
}
