// Package iamtest has what tests of roles share: the policies that a rendered
// tree would create, and lists of calls.
package iamtest

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/specboard/platform/tfpipeline/internal/localaws/iam"
)

// Documents are the policies of a role as Terraform would create them.
type Documents struct {
	Trust    json.RawMessage            `json:"trust"`
	Boundary json.RawMessage            `json:"boundary,omitempty"`
	Policies map[string]json.RawMessage `json:"policies"`
}

// Repository is the root of the checkout that the test runs in.
func Repository(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	for ; err == nil && dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	t.Fatal("find go.mod above the test:", err)
	return ""
}

// Workflows evaluates the policies of the roles of GitHub's workflows from the HCL of
// a tree that gen rendered, with changes to what modules/github is given.
func Workflows(t testing.TB, tree string, changes map[string]cty.Value) map[string]Documents {
	t.Helper()
	roles, _ := workflows(t, tree, hclparse.NewParser(), changes)
	return roles
}

// Managed are the managed policies of modules/github by ARN, boundaries and those of
// people among them.
func Managed(t testing.TB, tree string, changes map[string]cty.Value) map[string]json.RawMessage {
	t.Helper()
	_, managed := workflows(t, tree, hclparse.NewParser(), changes)
	return managed
}

// workflows also returns the managed policies by ARN.
func workflows(t testing.TB, tree string, parser *hclparse.Parser, changes map[string]cty.Value) (map[string]Documents, map[string]json.RawMessage) {
	t.Helper()
	shared := openModule(t, parser, filepath.Join(tree, "envs", "shared"), nil)
	inputs := shared.inputs(shared.calls["github"], map[string]cty.Value{"module": unknown})
	maps.Copy(inputs, changes)
	github := openModule(t, parser, filepath.Join(tree, "modules", "github"), inputs)
	return github.roles(t), github.policies()
}

// Operators are the policies of people who go into tasks, by environment.
func Operators(t testing.TB, tree string) map[string]iam.Identity {
	t.Helper()
	parser := hclparse.NewParser()
	shared := openModule(t, parser, filepath.Join(tree, "envs", "shared"), nil)
	m := openModule(t, parser, filepath.Join(tree, "modules", "github"), shared.inputs(shared.calls["github"], map[string]cty.Value{"module": unknown}))
	documents := map[string]Documents{}
	for env, a := range m.resources["aws_iam_policy"]["operate"] {
		documents[env] = Documents{Policies: map[string]json.RawMessage{"operate": json.RawMessage(a["policy"].AsString())}}
	}
	return Identities(t, documents)
}

// Rendered evaluates the policies of every role of the platform Docs: those of
// Workflows, and those of containers.
func Rendered(t testing.TB, tree string, changes map[string]cty.Value) map[string]Documents {
	t.Helper()
	parser := hclparse.NewParser() // which parses each file once
	roles, managed := workflows(t, tree, parser, changes)
	for _, env := range []string{"staging", "production"} {
		arns := func(names ...string) cty.Value {
			all := map[string]cty.Value{}
			for _, n := range names {
				all[n] = cty.StringVal("arn:aws:secretsmanager:us-west-2:123456789012:secret:" + env + "/doc-platform/" + n + "-AbCdEf")
			}
			return cty.ObjectVal(all)
		}
		cache := arns("cache-url")
		secrets := arns("db-credentials", "session-secret", "superadmin-password", "invite-keys")
		root := openModule(t, parser, filepath.Join(tree, "envs", env), nil)
		for name, c := range root.calls {
			source := root.text(c, "source")
			if !strings.HasSuffix(source, "/service") && !strings.HasSuffix(source, "/task") {
				continue
			}
			inputs := root.inputs(c, map[string]cty.Value{
				"module": cty.ObjectVal(map[string]cty.Value{
					"secrets": cty.ObjectVal(map[string]cty.Value{"arns": secrets, "stored_arns": secrets}),
					"cache":   cty.ObjectVal(map[string]cty.Value{"url_arn": cache.GetAttr("cache-url")}),
				}),
			})
			m := openModule(t, parser, filepath.Join(tree, "envs", env, source), inputs)
			for role, d := range m.roles(t) {
				roles[role] = d
				if len(roles[role].Policies) == 0 && !strings.HasSuffix(role, "-task") {
					t.Errorf("%s %s: role %s has no policy", env, name, role)
				}
			}
		}
	}
	for name, d := range roles {
		if d.Boundary == nil {
			continue
		}
		var arn string
		if err := json.Unmarshal(d.Boundary, &arn); err != nil {
			t.Fatal(err)
		}
		if d.Boundary = managed[arn]; d.Boundary == nil {
			t.Errorf("%s: nothing renders its boundary %s", name, arn)
		}
		roles[name] = d
	}
	return roles
}

// Identities parses documents.
func Identities(t testing.TB, roles map[string]Documents) map[string]iam.Identity {
	t.Helper()
	all := map[string]iam.Identity{}
	for name, d := range roles {
		var i iam.Identity
		for _, n := range slices.Sorted(maps.Keys(d.Policies)) {
			p, err := iam.Parse(d.Policies[n])
			if err != nil {
				t.Fatalf("%s: %s: %v", name, n, err)
			}
			i.Policies = append(i.Policies, p)
		}
		if d.Boundary != nil {
			p, err := iam.Parse(d.Boundary)
			if err != nil {
				t.Fatalf("%s: boundary: %v", name, err)
			}
			i.Boundary = &p
		}
		all[name] = i
	}
	return all
}

var unknown = cty.DynamicVal

// tfModule is a Terraform module, as far as its roles and policies go.
type tfModule struct {
	calls     map[string]*hclsyntax.Body
	resources map[string]map[string]map[string]map[string]cty.Value // type, name, key, attribute
	ctx       *hcl.EvalContext
}

// openModule evaluates what can be known of a module without a provider. What
// cannot be known stays unset.
func openModule(t testing.TB, parser *hclparse.Parser, dir string, inputs map[string]cty.Value) *tfModule {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.tf"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no module in %s: %v", dir, err)
	}
	m := &tfModule{calls: map[string]*hclsyntax.Body{}, resources: map[string]map[string]map[string]map[string]cty.Value{}}
	variables := maps.Clone(inputs)
	if variables == nil {
		variables = map[string]cty.Value{}
	}
	locals := map[string]hcl.Expression{}
	var blocks []*hclsyntax.Block
	for _, f := range files {
		parsed, diags := parser.ParseHCLFile(f)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		for _, b := range parsed.Body.(*hclsyntax.Body).Blocks {
			switch b.Type {
			case "variable":
				v, given := variables[b.Labels[0]]
				if d := b.Body.Attributes["default"]; !given && d != nil {
					v, diags = d.Expr.Value(nil)
					given = !diags.HasErrors()
				}
				kind, defaults, diags := typeexpr.TypeConstraintWithDefaults(b.Body.Attributes["type"].Expr)
				if diags.HasErrors() {
					t.Fatal(diags)
				}
				variables[b.Labels[0]] = cty.UnknownVal(kind.WithoutOptionalAttributesDeep())
				if given {
					if defaults != nil {
						v = defaults.Apply(v)
					}
					if v, err := convert.Convert(v, kind); err == nil {
						variables[b.Labels[0]] = v
					}
				}
			case "locals":
				for n, a := range b.Body.Attributes {
					locals[n] = a.Expr
				}
			case "module":
				m.calls[b.Labels[0]] = b.Body
			case "resource":
				blocks = append(blocks, b)
			}
		}
	}
	known := map[string]cty.Value{}
	m.ctx = &hcl.EvalContext{Functions: functions, Variables: map[string]cty.Value{"var": cty.ObjectVal(variables)}}
	for range 6 { // as deep as locals and resources refer to one another
		for n, e := range locals {
			if v, diags := e.Value(m.ctx); !diags.HasErrors() && v.IsWhollyKnown() {
				known[n] = v
			}
		}
		m.ctx.Variables["local"] = cty.ObjectVal(known)
		for _, b := range blocks {
			m.evaluate(b)
		}
		for kind, names := range m.resources {
			objects := map[string]cty.Value{}
			for name, instances := range names {
				keyed := map[string]cty.Value{}
				for key, attributes := range instances {
					keyed[key] = cty.ObjectVal(attributes)
				}
				objects[name] = cty.ObjectVal(keyed)
				if one, single := keyed[""]; single {
					objects[name] = one
				}
			}
			m.ctx.Variables[kind] = cty.ObjectVal(objects)
		}
	}
	return m
}

// evaluate sets the attributes of a resource's instances.
func (m *tfModule) evaluate(b *hclsyntax.Block) {
	if count := b.Body.Attributes["count"]; count != nil {
		if v, diags := count.Expr.Value(m.ctx); !diags.HasErrors() && v.RawEquals(cty.Zero) {
			return
		}
	}
	instances := map[string]cty.Value{"": cty.NilVal}
	if each := b.Body.Attributes["for_each"]; each != nil {
		v, diags := each.Expr.Value(m.ctx)
		if diags.HasErrors() || !v.IsKnown() || !v.CanIterateElements() {
			return
		}
		instances = map[string]cty.Value{}
		for k, e := range v.Elements() {
			instances[k.AsString()] = e
		}
	}
	for key, value := range instances {
		ctx := m.ctx
		if key != "" {
			ctx = ctx.NewChild()
			ctx.Variables = map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{"key": cty.StringVal(key), "value": value})}
		}
		attributes := map[string]cty.Value{}
		for n, a := range b.Body.Attributes {
			if v, diags := a.Expr.Value(ctx); !diags.HasErrors() && v.IsWhollyKnown() {
				attributes[n] = v
			}
		}
		name, path := "", "/"
		if v, ok := attributes["name"]; ok {
			name = v.AsString()
			attributes["id"] = v
		}
		if v, ok := attributes["path"]; ok {
			path = v.AsString()
		}
		switch b.Labels[0] {
		case "aws_iam_role":
			attributes["arn"] = cty.StringVal("arn:aws:iam::123456789012:role" + path + name)
		case "aws_iam_policy":
			attributes["arn"] = cty.StringVal("arn:aws:iam::123456789012:policy" + path + name)
		case "aws_iam_openid_connect_provider":
			attributes["arn"] = cty.StringVal(GitHub)
		case "aws_cloudwatch_log_group":
			attributes["arn"] = cty.StringVal("arn:aws:logs:us-west-2:123456789012:log-group:" + name)
		}
		kind, name := b.Labels[0], b.Labels[1]
		if m.resources[kind] == nil {
			m.resources[kind] = map[string]map[string]map[string]cty.Value{}
		}
		if m.resources[kind][name] == nil {
			m.resources[kind][name] = map[string]map[string]cty.Value{}
		}
		m.resources[kind][name][key] = attributes
	}
}

// GitHub is the identity provider of GitHub's workflows.
const GitHub = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"

// inputs are the arguments of a module call, as far as they are known.
func (m *tfModule) inputs(call *hclsyntax.Body, externals map[string]cty.Value) map[string]cty.Value {
	ctx := m.ctx.NewChild()
	ctx.Variables = externals
	in := map[string]cty.Value{}
	for n, a := range call.Attributes {
		v, diags := a.Expr.Value(ctx)
		if diags.HasErrors() {
			v = unknown
		}
		in[n] = v
	}
	return in
}

func (m *tfModule) text(call *hclsyntax.Body, attribute string) string {
	v, _ := call.Attributes[attribute].Expr.Value(m.ctx)
	return v.AsString()
}

// roles are the module's roles by name, with the ARN of a boundary in its
// place.
func (m *tfModule) roles(t testing.TB) map[string]Documents {
	t.Helper()
	text := func(what string, attributes map[string]cty.Value, name string) json.RawMessage {
		v, ok := attributes[name]
		if !ok {
			t.Fatalf("%s: %s cannot be evaluated", what, name)
		}
		return json.RawMessage(v.AsString())
	}
	all := map[string]Documents{}
	for _, instances := range m.resources["aws_iam_role"] {
		for _, a := range instances {
			name := string(text("a role", a, "name"))
			d := Documents{Trust: text(name, a, "assume_role_policy"), Policies: map[string]json.RawMessage{}}
			if b, ok := a["permissions_boundary"]; ok {
				d.Boundary = json.RawMessage(fmt.Sprintf("%q", b.AsString()))
			}
			all[name] = d
		}
	}
	for n, instances := range m.resources["aws_iam_role_policy"] {
		for _, a := range instances {
			all[string(text(n, a, "role"))].Policies[string(text(n, a, "name"))] = text(n, a, "policy")
		}
	}
	managed := m.policies()
	for n, instances := range m.resources["aws_iam_role_policy_attachment"] {
		for _, a := range instances {
			arn := string(text(n, a, "policy_arn"))
			all[string(text(n, a, "role"))].Policies[arn] = managed[arn]
		}
	}
	return all
}

// policies are the managed policies by ARN.
func (m *tfModule) policies() map[string]json.RawMessage {
	all := map[string]json.RawMessage{}
	for _, instances := range m.resources["aws_iam_policy"] {
		for _, a := range instances {
			if p, ok := a["policy"]; ok {
				all[a["arn"].AsString()] = json.RawMessage(p.AsString())
			}
		}
	}
	return all
}

// length takes text too, as Terraform's does.
var length = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType}},
	Type:   function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if args[0].Type() == cty.String {
			return stdlib.Strlen(args[0])
		}
		return stdlib.Length(args[0])
	},
})

// affix asks whether a text begins or ends with another.
func affix(has func(text, affix string) bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "text", Type: cty.String}, {Name: "affix", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(has(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

var sha256Func = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "text", Type: cty.String}},
	Type:   function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		return cty.StringVal(fmt.Sprintf("%x", sha256.Sum256([]byte(args[0].AsString())))), nil
	},
})

var functions = map[string]function.Function{
	"concat":     stdlib.ConcatFunc,
	"distinct":   stdlib.DistinctFunc,
	"endswith":   affix(strings.HasSuffix),
	"flatten":    stdlib.FlattenFunc,
	"format":     stdlib.FormatFunc,
	"join":       stdlib.JoinFunc,
	"jsonencode": stdlib.JSONEncodeFunc,
	"keys":       stdlib.KeysFunc,
	"length":     length,
	"merge":      stdlib.MergeFunc,
	"regexall":   stdlib.RegexAllFunc,
	"replace":    stdlib.ReplaceFunc,
	"sha256":     sha256Func,
	"slice":      stdlib.SliceFunc,
	"sort":       stdlib.SortFunc,
	"split":      stdlib.SplitFunc,
	"startswith": affix(strings.HasPrefix),
	"substr":     stdlib.SubstrFunc,
	"toset":      stdlib.MakeToFunc(cty.Set(cty.String)),
	"tostring":   stdlib.MakeToFunc(cty.String),
	"trimprefix": stdlib.TrimPrefixFunc,
	"trimsuffix": stdlib.TrimSuffixFunc,
	"values":     stdlib.ValuesFunc,
}
