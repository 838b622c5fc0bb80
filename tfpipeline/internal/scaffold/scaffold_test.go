package scaffold

import (
	"encoding/json"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
	"github.com/specboard/platform/gen/gentest"
	"github.com/specboard/platform/migrations"
	"github.com/specboard/platform/tfpipeline/internal/console"
)

// companies are three that have nothing in common.
func companies() map[string]Answers {
	return map[string]Answers{
		"a bakery with one container": {
			Name: "bakery", Account: "111122223333", Region: "eu-central-1", Domain: "broetchen.de", Repository: "baeckerei-k/bestellung",
			Services: []Service{{Name: "shop", Port: 8000, Folder: "."}},
		},
		"a bank with seven services": {
			Name: "ledger-core", Account: "999988887777", Region: "us-east-1", Domain: "core.first-bank.com", Repository: "FirstBank/ledger.core_2",
			Email: "sre@first-bank.com", HealthPath: "/actuator/health",
			Services: []Service{
				{Name: "accounts", Port: 8081, Folder: "services/accounts"}, {Name: "payments", Port: 8082, Folder: "services/payments"},
				{Name: "cards", Port: 8083, Folder: "services/cards"}, {Name: "fraud", Port: 8084, Folder: "services/fraud"},
				{Name: "statements", Port: 8085, Folder: "services/statements", Dockerfile: "services/statements/statements.Dockerfile"},
				{Name: "www", Port: 3000, Folder: "web"}, {Name: "admin", Port: 3001, Folder: "web/admin"},
			},
		},
		"a forecast without data stores": {
			Name: "rain-radar-24", Account: "222233334444", Region: "ap-northeast-1", Domain: "rain.example.co.jp", Repository: "Rain-24/radar.v2",
			Services: []Service{
				{Name: "tiles", Folder: "go/cmd/tiles", HealthCommand: []string{"CMD", "/tiles", "check"}},
				{Name: "api", Port: 1024, Folder: "go/cmd/api"},
				{Name: "fetch-2", HealthCommand: sampleHealth},
			},
			NoDatabase: true, NoCache: true,
		},
		"a batch shop that nobody calls": {
			Name: "etl", Account: "333344445555", Region: "sa-east-1", Domain: "etl.com.br", Repository: "etl/etl", NoCache: true,
			Services: []Service{{Name: "load", Folder: ".", HealthCommand: []string{"CMD-SHELL", "test -e /tmp/alive"}}},
		},
		"a start-up without code": {
			Name: "x1", Account: "000000000001", Region: "ap-southeast-2", Domain: "x1.dev", Repository: "x1/x1",
			Services: []Service{{Name: "web", Port: 8080}},
		},
	}
}

// checkout is a company by its Dockerfiles and the flags that it gives.
type checkout struct {
	flags string
	files map[string]string
	want  []string // services, as flags give them
}

func checkouts() map[string]checkout {
	return map[string]checkout{
		"a blog without data stores": {
			"-name blog -account 444455556666 -region us-west-1 -zones a,c -domain blog.dev -repository Jane-Doe/Blog_1 -no-database -no-cache -health /",
			map[string]string{"Dockerfile": "FROM nginx\nEXPOSE 80\n", "Dockerfile.dev": "FROM node\nEXPOSE 5173\n"},
			[]string{"app:80:."},
		},
		"a carrier with a monorepo": {
			"-name parcel-track -account 555566667777 -region ap-northeast-1 -domain parcels.co.jp -repository ParcelTrack/mono.repo -ids 123/456 -health /up " +
				"-service api:3001:.:services/api/Dockerfile -service web:80:web -service hooks:8443 -worker mailer:services/mailer -worker tracker:.:services/tracker/Dockerfile",
			map[string]string{
				"services/api/Dockerfile": "FROM golang\n", "web/Dockerfile": "FROM httpd\n",
				"services/mailer/Dockerfile":  "FROM python:3.13\nHEALTHCHECK CMD pgrep -f mailer\n",
				"services/tracker/Dockerfile": "FROM rust AS base\nHEALTHCHECK CMD [\"/tracker\", \"live\"]\nFROM base\n",
			},
			[]string{"api:3001:.:services/api/Dockerfile", "web:80:web", "hooks:8443", "mailer:services/mailer", "tracker:.:services/tracker/Dockerfile"},
		},
		"a warehouse that nobody calls": {
			"-name warehouse -account 666677778888 -region eu-north-1 -email data@grain.se -repository grain/warehouse -no-cache",
			map[string]string{
				"jobs/Load_CSV/Dockerfile": "FROM python:3.13\nHEALTHCHECK CMD test -e /tmp/alive\n",
				"jobs/database/Dockerfile": "FROM python:3.13\nHEALTHCHECK CMD test -e /tmp/alive\n",
				"tools/Dockerfile":         "FROM alpine\n",
			},
			[]string{"load-csv:jobs/Load_CSV", "database-service:jobs/database"},
		},
	}
}

// answers are what init takes from the flags and the folder.
func (c checkout) answers(t *testing.T) Answers {
	t.Helper()
	i := Init{Dir: clone(t), Console: &console.Console{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}}
	for name, text := range c.files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(i.Dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(i.Dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	set := flag.NewFlagSet("init", flag.ContinueOnError)
	i.Declare(set)
	if err := set.Parse(strings.Fields(c.flags)); err != nil {
		t.Fatal(err)
	}
	if err := i.services(t.Context()); err != nil {
		t.Fatal(err)
	}
	if missing := i.Answers.Missing(); len(missing) > 0 {
		t.Fatalf("missing %q", missing)
	}
	if err := i.Answers.Complete(nil); err != nil {
		t.Fatal(err)
	}
	return i.Answers
}

// Three quite different companies get a platform from their flags and Dockerfiles
// whose Terraform hangs together. TestSourceHoldsThePlatform has Go read what is
// written for them.
func TestCheckouts(t *testing.T) {
	for name, c := range checkouts() {
		t.Run(name, func(t *testing.T) {
			a := c.answers(t)
			var got []string
			for _, s := range a.Services {
				got = append(got, s.String())
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("services (-want +got):\n%s", d)
			}
			dir, p := clone(t), a.Platform()
			if _, err := Write(dir, p); err != nil {
				t.Fatal(err)
			}
			source, err := Source(p)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(source), contents(t, dir)[platformFile]); d != "" {
				t.Errorf("written (-want +got):\n%s", d)
			}
			gentest.Check(t, p)
		})
	}
}

// What init writes is valid, is formatted, and is the platform that was
// validated: Go itself reads it back.
func TestPlatforms(t *testing.T) {
	for name, answers := range companies() {
		t.Run(name, func(t *testing.T) {
			p := answers.Platform()
			if err := p.Validate(); err != nil {
				t.Fatal(err)
			}
			for _, s := range p.Services {
				if s.Public() != (s.Port != 0) {
					t.Errorf("service %s has port %d; public is %t", s.Name, s.Port, s.Public())
				}
			}
			if _, err := Source(p); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Every platform that the tests have survives its way through the source, so no
// field of the struct is left out.
func TestSourceHoldsThePlatform(t *testing.T) {
	all := configtest.All()
	for name, answers := range companies() {
		all[name] = answers.Platform()
	}
	for name, c := range checkouts() {
		all[name] = c.answers(t).Platform()
	}
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fields, err := os.ReadFile("../../../gen/config/platform.go")
	if err != nil {
		t.Fatal(err)
	}
	write("go.mod", "module m\n\ngo 1.26\n")
	main := "package main\n\nimport (\"encoding/json\"; \"os\"\n"
	var names []string
	body := ""
	for name, p := range all {
		source, err := Source(p)
		if err != nil {
			t.Fatal(err)
		}
		folder := "p" + string(rune('a'+len(names)))
		names = append(names, name)
		write(folder+"/default.go", string(source))
		write(folder+"/platform.go", string(fields))
		main += folder + " \"m/" + folder + "\"\n"
		body += "e.Encode(" + folder + ".Default())\n"
	}
	write("main.go", main+")\n\nfunc main() {\ne := json.NewEncoder(os.Stdout)\n"+body+"}\n")
	cmd := exec.CommandContext(t.Context(), "go", "run", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for i, name := range names {
		if d := cmp.Diff(asJSON(t, all[name]), lines[i]); d != "" {
			t.Errorf("%s (-the platform +what its source says):\n%s", name, d)
		}
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestDiscover(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	found, err := Discover(fstest.MapFS{
		"Dockerfile":                         file("FROM golang AS build\nEXPOSE 1\nFROM scratch\nENV PORT=8080\nEXPOSE ${PORT}/tcp 9090\n"),
		"services/Billing_API/Dockerfile":    file("from node\nARG P 3000\nexpose 53/udp $P\n"),
		"services/worker/Dockerfile":         file("FROM node\nCMD [\"node\", \"worker.js\"]\n"),
		"a/web/Dockerfile":                   file("FROM nginx\nEXPOSE ${HTTP:-80}\n"),
		"b/web/Dockerfile":                   file("FROM nginx\nEXPOSE 81\n"),
		"jvm/Order_Mgmt/docker/Dockerfile":   file("FROM x\nEXPOSE 9999\n"),
		"tools/search.Dockerfile":            file("FROM x\nEXPOSE 7700\n"),
		"tfpipeline/sample/Dockerfile":       file("FROM x\nEXPOSE 8080\n"),
		"a/node_modules/x/Dockerfile":        file("FROM x\nEXPOSE 8080\n"),
		".devcontainer/Dockerfile":           file("FROM x\nEXPOSE 8080\n"),
		"services/Billing_API/package.json":  file("{}"),
		"mono/Dockerfile.mailer":             file("FROM node AS base\nEXPOSE 3100\nHEALTHCHECK CMD a\nFROM base AS build\nRUN make\nFROM base\nENV NODE_ENV=\"production\" PORT=3200 LOG='a b=c'\n"),
		"mono/Dockerfile.pages":              file("FROM node\nENV NODE_ENV=production PORT=3200\nENV LISTEN $PORT\nEXPOSE $LISTEN-3210\n"),
		"mono/Dockerfile.dev":                file("FROM node\nEXPOSE 9229\n"),
		"mono/pages.test.Dockerfile":         file("FROM node\nEXPOSE 9229\n"),
		"mono/Dockerfile.pages.dockerignore": file("*\n"),
		"pod/Containerfile":                  file("FROM node\nEXPOSE 3300\n"),
		"prod/Dockerfile.production":         file("FROM node\nEXPOSE 3400\n"),
		"both/Dockerfile":                    file("FROM node\nEXPOSE 3500\n"),
		"both/Dockerfile.prod":               file("FROM node\nEXPOSE 3501\n"),
		"3d/Dockerfile":                      file("FROM node\nEXPOSE 3600\n"),
		"cache/Dockerfile":                   file("FROM node\nEXPOSE 3700\n"),
		"queue/Dockerfile":                   file("FROM node\nHEALTHCHECK CMD [\"/live\"]\n"),
		"two/Dockerfile.mailer":              file("FROM node\nEXPOSE 3800\n"),
		"app/Dockerfile":                     file("FROM node\nEXPOSE 3900\n"),
		"my app/Dockerfile":                  file("FROM node\nEXPOSE 4000\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	services, without := found.Services, found.Without
	want := []Service{
		{Name: "app-3d", Port: 3600, Folder: "3d"}, {Name: "app", Port: 8080, Folder: "."}, {Name: "web", Port: 80, Folder: "a/web"}, {Name: "app-2", Port: 3900, Folder: "app"}, {Name: "b-web", Port: 81, Folder: "b/web"},
		{Name: "both", Port: 3500, Folder: "both"}, {Name: "cache-service", Port: 3700, Folder: "cache"},
		{Name: "order-mgmt", Port: 9999, Folder: "jvm/Order_Mgmt/docker"},
		{Name: "mailer", Port: 3100, Folder: "mono", Dockerfile: "mono/Dockerfile.mailer"}, {Name: "pages", Port: 3200, Folder: "mono", Dockerfile: "mono/Dockerfile.pages"},
		{Name: "pod", Port: 3300, Folder: "pod", Dockerfile: "pod/Containerfile"}, {Name: "prod", Port: 3400, Folder: "prod", Dockerfile: "prod/Dockerfile.production"},
		{Name: "queue", Folder: "queue", HealthCommand: []string{"CMD", "/live"}},
		{Name: "billing-api", Port: 3000, Folder: "services/Billing_API"}, {Name: "search", Port: 7700, Folder: "tools", Dockerfile: "tools/search.Dockerfile"},
		{Name: "two-mailer", Port: 3800, Folder: "two", Dockerfile: "two/Dockerfile.mailer"},
	}
	if d := cmp.Diff(want, services); d != "" {
		t.Errorf("services (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]Service{{Name: "worker", Folder: "services/worker"}}, without); d != "" {
		t.Errorf("without a port (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{`passed over "my app/Dockerfile": the path of an image has no space and no backslash; rename the folder if it is a service`}, found.PassedOver); d != "" {
		t.Errorf("passed over (-want +got):\n%s", d)
	}
	// They are a platform, and flags that name them give the same one.
	a := companies()["a bakery with one container"]
	a.Services = services
	if err := a.Platform().Validate(); err != nil {
		t.Error(err)
	}
	for _, s := range services {
		given := ParseWorker(s.String())
		if s.Port != 0 {
			if given, err = ParseService(s.String()); err != nil {
				t.Error(err)
			}
		}
		if s.HealthCommand = nil; !cmp.Equal(s, given) {
			t.Errorf("%s gives %+v, not %+v", s, given, s)
		}
	}
}

// A folder or a Dockerfile that cannot be read does not hide the others.
func TestDiscoverPassesOver(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "data", "web"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "a/Dockerfile")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "web/Dockerfile"), []byte("FROM x\nEXPOSE 80\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	found, err := Discover(locked{os.DirFS(dir), "data"})
	if err != nil || len(found.Services) != 1 || found.Services[0].Name != "web" {
		t.Errorf("%+v, %v", found, err)
	}
	if d := cmp.Diff([]string{"passed over a/Dockerfile: open a/Dockerfile: no such file or directory", "passed over data, which may not be read"}, found.PassedOver); d != "" {
		t.Errorf("passed over (-want +got):\n%s", d)
	}
}

// Production has a NAT gateway in each availability zone, however many there are.
func TestZones(t *testing.T) {
	for _, zones := range []string{"a,b", "a,b,c"} {
		a := companies()["a bakery with one container"]
		a.Zones = zones
		if err := a.Platform().Validate(); err != nil {
			t.Errorf("%s: %v", zones, err)
		}
	}
}

// The service that answers what no route matches is the one that looks like it.
func TestFront(t *testing.T) {
	for want, names := range map[string][]string{
		"web": {"api", "web"}, "storefront-v2": {"admin", "storefront-v2"}, "ui": {"api", "ui"}, "api": {"api", "orders"},
	} {
		var services []Service
		for _, name := range names {
			services = append(services, Service{Name: name, Port: 8080})
		}
		services = append([]Service{{Name: "web-worker"}}, services...)
		if got := services[front(services)].Name; got != want {
			t.Errorf("of %q: %s, want %s", names, got, want)
		}
	}
	if i := front([]Service{{Name: "web"}}); i != -1 {
		t.Errorf("a worker is the default: %d", i)
	}
}

func TestParseService(t *testing.T) {
	for _, text := range []string{"api:8080", "api:8080:services/api", "api:8080:.", "api:8080:tools/api.Dockerfile", "api:8080:.:services/api/Dockerfile"} {
		s, err := ParseService(text)
		if err != nil || s.String() != text {
			t.Errorf("%s: %v, %v", text, s, err)
		}
	}
	for _, text := range []string{"mailer", "mailer:services/mailer", "mailer:.", "mailer:Dockerfile.mailer", "mailer:.:services/mailer/Dockerfile"} {
		if s := ParseWorker(text); s.String() != text || s.Port != 0 {
			t.Errorf("%s: %v", text, s)
		}
	}
	for text, want := range map[string]config.Image{
		"api:8080:services/api": {Context: "services/api"}, "api:8080:services/api/Dockerfile": {Context: "services/api"},
		"api:8080:./tools//api.Dockerfile":   {Context: "tools", Dockerfile: "tools/api.Dockerfile"},
		"api:8080:.:services/api/Dockerfile": {Context: ".", Dockerfile: "services/api/Dockerfile"},
		"api:8080:web:web/Dockerfile":        {Context: "web"},
		"api:8080::build/api.docker":         {Context: ".", Dockerfile: "build/api.docker"},
	} {
		if s, err := ParseService(text); err != nil || s.image() != want {
			t.Errorf("%s: %+v, %v, want %+v", text, s.image(), err, want)
		}
	}
	for _, text := range []string{"", "api", "api:x", "api:0", "api:65536"} {
		if s, err := ParseService(text); err == nil {
			t.Errorf("%q is taken for %v", text, s)
		}
	}
}

func TestHealthcheck(t *testing.T) {
	for dockerfile, want := range map[string][]string{
		"FROM x\n": nil,
		"FROM x\nHEALTHCHECK CMD curl -f localhost || exit 1\n":                                   {"CMD-SHELL", "curl -f localhost || exit 1"},
		"FROM x\nHEALTHCHECK --interval=5m --timeout=3s \\\n  CMD [\"/check\", \"-v\"]\nUSER a\n": {"CMD", "/check", "-v"},
		"FROM x\nHEALTHCHECK CMD a\nHEALTHCHECK CMD b\n":                                          {"CMD-SHELL", "b"},
		"FROM x\nHEALTHCHECK CMD a\nHEALTHCHECK NONE\n":                                           nil,
		"FROM x AS build\nHEALTHCHECK CMD a\nFROM y\n":                                            nil,
		"FROM x AS base\nHEALTHCHECK CMD a\nFROM base\n":                                          {"CMD-SHELL", "a"},
		"from x as Base\nHEALTHCHECK CMD a\nFROM --platform=$BUILDPLATFORM base AS b\nFROM b\n":   {"CMD-SHELL", "a"},
	} {
		a := Answers{Services: []Service{{Name: "w", Folder: "w"}, {Name: "api", Port: 8080, Folder: "nowhere"}}}
		missing, err := a.readDockerfiles(fstest.MapFS{"w/Dockerfile": {Data: []byte(dockerfile)}})
		if err != nil || !slices.Equal(a.Services[0].HealthCommand, want) || !slices.Equal(missing, []string{"nowhere/Dockerfile"}) {
			t.Errorf("%q: %q, want %q; missing %q, %v", dockerfile, a.Services[0].HealthCommand, want, missing, err)
		}
	}
}

// A small checkout, as a clone has it.
func clone(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":                "module " + upstream + "\n\ngo 1.26\n",
		"gen/config/default.go": "package config\n",
		"gen/main.go":           "import \"" + upstream + "/gen/config\"\n",
		".golangci.yml":         "local-prefixes: [" + upstream + "]\n",
		"docs/x.md":             upstream + "-two is another module; " + upstream + "\n",
		"picture.png":           upstream + "\x00",
		".git/config":           "url = https://" + upstream + "\n",
		"migrations/load.go":    "package migrations\n", "migrations/0001_create_a.sql": "SELECT 1;\n", "migrations/0002_b.sql": "SELECT 1;\n",
	} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(dir, p))
		all[p] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestWrite(t *testing.T) {
	dir := clone(t)
	p := companies()["a bank with seven services"].Platform()
	did, err := Write(dir, p)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{
		"removed 2 migrations of the example", "wrote gen/config/default.go",
		"renamed the Go module to github.com/FirstBank/ledger.core_2 in 4 files",
	}, did); d != "" {
		t.Errorf("what it did (-want +got):\n%s", d)
	}
	source, err := Source(p)
	if err != nil {
		t.Fatal(err)
	}
	after := contents(t, dir)
	if d := cmp.Diff(map[string]string{
		"go.mod":                               "module github.com/FirstBank/ledger.core_2\n\ngo 1.26\n",
		"gen/config/default.go":                string(source),
		"gen/main.go":                          "import \"github.com/FirstBank/ledger.core_2/gen/config\"\n",
		".golangci.yml":                        "local-prefixes: [github.com/FirstBank/ledger.core_2]\n",
		"docs/x.md":                            upstream + "-two is another module; github.com/FirstBank/ledger.core_2\n",
		"picture.png":                          upstream + "\x00",
		".git/config":                          "url = https://" + upstream + "\n",
		"migrations/load.go":                   "package migrations\n",
		"migrations/" + migrations.Placeholder: placeholder,
	}, after); d != "" {
		t.Errorf("checkout (-want +got):\n%s", d)
	}
	if _, err := Write(dir, p); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(after, contents(t, dir)); d != "" {
		t.Errorf("the second time changes (-before +after):\n%s", d)
	}
}

// A checkout that is somebody's own loses nothing of it, also if the repository's name
// was mistaken the first time.
func TestWriteKeeps(t *testing.T) {
	for _, repository := range []string{"FirstBank/ledger.core_2", "FirstBank/ledger"} {
		dir, answers := clone(t), companies()["a bank with seven services"]
		write := func(name, text string) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Write(dir, answers.Platform()); err != nil {
			t.Fatal(err)
		}
		edited := contents(t, dir)[platformFile] + "\nvar mine = 1\n"
		write(platformFile, edited)
		write("migrations/0001_create_orders.sql", "SELECT 1;\n")
		answers.Repository = repository
		source, err := Source(answers.Platform())
		if err != nil {
			t.Fatal(err)
		}
		did, err := Write(dir, answers.Platform())
		if err != nil || !slices.Contains(did, "kept what gen/config/default.go held in gen/config/default.go.before") {
			t.Errorf("it did %q, %v", did, err)
		}
		after := contents(t, dir)
		if after[keptFile] != edited || after[platformFile] != string(source) || after["migrations/0001_create_orders.sql"] == "" {
			t.Errorf("%s: what was there is lost: %q", repository, after)
		}
		// So is an older copy, whatever else its owner has removed from the file.
		write(platformFile, "package config // mine")
		answers.Repository += "-2"
		if did, err := Write(dir, answers.Platform()); err != nil {
			t.Errorf("it did %q, %v", did, err)
		}
		if after := contents(t, dir); after[keptFile] != edited || after[keptFile+"-2"] != "package config // mine" || after["migrations/0001_create_orders.sql"] == "" {
			t.Errorf("%s: a copy is lost: %q", repository, after)
		}
	}
}

// A platform that is not valid is told all its problems, and changes no file.
func TestWriteRefuses(t *testing.T) {
	dir := clone(t)
	before := contents(t, dir)
	a := companies()["a bakery with one container"]
	a.Account, a.Domain, a.Region = "12", "Bakery", "moon-1"
	_, err := Write(dir, a.Platform())
	problems, ok := errors.AsType[config.Problems](err)
	if !ok {
		t.Fatalf("error %v", err)
	}
	for _, path := range []string{"account", "domain", "region"} {
		if !slices.ContainsFunc(problems, func(p config.Problem) bool { return p.Path == path }) {
			t.Errorf("nothing is said of %s:\n%v", path, err)
		}
	}
	if d := cmp.Diff(before, contents(t, dir)); d != "" {
		t.Errorf("changed (-before +after):\n%s", d)
	}
}

// The longest name that init takes is the longest that Validate takes.
func TestLongestName(t *testing.T) {
	a := companies()["a bakery with one container"]
	for _, length := range []int{longestName, longestName + 1} {
		a.Name = strings.Repeat("n", length)
		if err := a.Platform().Validate(); (err == nil) != (length == longestName) {
			t.Errorf("%d characters: %v", length, err)
		}
	}
}

// A service whose Dockerfile says no port is asked for it.
func TestPorts(t *testing.T) {
	answers := map[string]string{"api": "3000", "tool": "", "bad": "x"}
	ask := func(question string) (string, error) {
		for name, answer := range answers {
			if strings.HasPrefix(question, name+"/Dockerfile exposes no port. On which does service "+name+" listen") {
				return answer, nil
			}
		}
		return "", errors.New(question)
	}
	web, api, tool := Service{Name: "web", Port: 80, Folder: "web"}, Service{Name: "api", Folder: "api"}, Service{Name: "tool", Folder: "tool"}
	a := Answers{Found: true}
	if got, err := a.ports([]Service{web}, []Service{tool}, ask); err != nil || !a.Found || !cmp.Equal(got, []Service{web}) {
		t.Errorf("%v, %v", got, err)
	}
	tries := []string{"x", "70000", "80"}
	if got, err := a.ports(nil, []Service{tool}, func(string) (answer string, err error) {
		answer, tries = tries[0], tries[1:]
		return answer, nil
	}); err != nil || len(got) != 1 || got[0].Port != 80 {
		t.Errorf("%v, %v", got, err)
	}
	a.Found = true
	got, err := a.ports([]Service{web}, []Service{tool, api}, ask)
	if err != nil || a.Found || len(got) != 2 || got[1].String() != "api:3000:api" {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := a.ports(nil, []Service{{Name: "bad", Folder: "bad"}}, ask); err == nil {
		t.Errorf("%v", got)
	}
}

// Only what no flag gave is asked for, and an empty answer takes the proposal.
func TestQuestions(t *testing.T) {
	a := Answers{Name: "shop"}
	if d := cmp.Diff([]string{"-account", "-domain", "-repository"}, a.Missing()); d != "" {
		t.Error(d)
	}
	answers := []string{"111122223333", "", "shop.io", "acme/shop", ""}
	asked := 0
	if err := a.Complete(func(string) (string, error) { asked++; return answers[asked-1], nil }); err != nil || asked != len(answers) {
		t.Fatalf("%d questions, %v", asked, err)
	}
	a.Services = []Service{{Name: "web", Port: 80}}
	const want = "go run ./tfpipeline init -name shop -account 111122223333 -region us-west-2 -domain shop.io -repository acme/shop -service web:80"
	if got := a.Command(); got != want {
		t.Errorf("%s", got)
	}
	// No two zones of us-west-1 are every account's, and ids are taken as they come.
	a, asked = Answers{Name: "shop", Account: "111122223333", Domain: "shop.io", Repository: "acme/shop", Services: []Service{{Name: "web", Port: 8080}}}, 0
	answers = []string{"us-west-1", "7/8", "a,us-west-1c"}
	if err := a.Complete(func(string) (string, error) { asked++; return answers[asked-1], nil }); err != nil || asked != len(answers) {
		t.Fatalf("%d questions, %v", asked, err)
	}
	p := a.Platform()
	if d := cmp.Diff([]string{"us-west-1a", "us-west-1c"}, p.AvailabilityZones); d != "" || p.Repository.OwnerID != 7 || p.Repository.ID != 8 || p.Validate() != nil {
		t.Errorf("%+v, %v, zones (-want +got):\n%s", p.Repository, p.Validate(), d)
	}
	if d := cmp.Diff([]string{"-name", "-account", "-domain", "-repository", "-zones"}, (&Answers{Region: "us-west-1"}).Missing()); d != "" {
		t.Error(d)
	}
	for _, ids := range []string{"7", "7/", "/8", "a/b", "0/8", "7/8/9"} {
		if _, _, err := (Answers{IDs: ids}).ids(); err == nil || !strings.Contains(err.Error(), ids) {
			t.Errorf("ids %q: %v", ids, err)
		}
	}
	// Workers need no domain, but somebody who hears the alarms.
	a, asked = Answers{Name: "etl", Account: "111122223333", Repository: "acme/etl", Services: []Service{{Name: "load", HealthCommand: sampleHealth}}}, 0
	if d := cmp.Diff([]string{"-email"}, a.Missing()); d != "" {
		t.Error(d)
	}
	answers = []string{"", "ops@etl.com.br", ""}
	if err := a.Complete(func(string) (string, error) { asked++; return answers[asked-1], nil }); err != nil || asked != len(answers) || a.Platform().Validate() != nil {
		t.Fatalf("%d questions, %v, %v", asked, err, a.Platform().Validate())
	}
	if got := a.Command(); got != "go run ./tfpipeline init -name etl -account 111122223333 -region us-west-2 -email ops@etl.com.br -repository acme/etl -worker load" {
		t.Errorf("%s", got)
	}
	// Services that were found are found again.
	if a.Found = true; strings.Contains(a.Command(), "-worker") {
		t.Errorf("%s", a.Command())
	}
	// A shell takes the command as it is, and what was refused is left to write.
	a = Answers{Name: "My Shop", Account: "1", Region: "eu-central-1", Domain: "shop.io.", Repository: "acme/it's", Found: true, Services: []Service{{Name: "web", Port: 80, Folder: "a;b"}}}
	if got, want := a.Command("account", "service"), `go run ./tfpipeline init -name 'My Shop' -account … -region eu-central-1 -domain shop.io. -repository 'acme/it'\''s' -service 'web:80:a;b'`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if _, flags, err := a.validate(); err == nil || strings.Contains(err.Error(), "emails") || !slices.Equal(flags, []string{"name", "account", "domain", "repository"}) {
		t.Errorf("%q, %v", flags, err)
	}
	// A wrong answer is told and asked again, three times at most.
	said := []string{}
	replies := func(answers ...string) func(string) (string, error) {
		return func(question string) (string, error) {
			said = append(said, question)
			return answers[len(said)-1], nil
		}
	}
	web := []Service{{Name: "web", Port: 8080}}
	a = Answers{Name: "shop", Account: "111122223333", Region: "eu-central-1", Services: web}
	if err := a.Complete(replies("bücher.io", "shop.io", "acme", "acme/shop", "7", "7/8")); err != nil || len(said) != 6 || a.Platform().Validate() != nil {
		t.Fatalf("%q, %v", said, err)
	}
	for i, want := range map[int]string{1: "xn--", 3: "repository.name", 5: "1234567/987654321"} {
		if !strings.Contains(said[i], want) || !strings.HasSuffix(said[i], "\n"+said[i-1]) {
			t.Errorf("%q, want %q and the question", said[i], want)
		}
	}
	said, a = nil, Answers{Account: "111122223333", Services: web}
	err := a.Complete(replies("My Shop", "", "Shop"))
	if p, ok := errors.AsType[problem](err); !ok || p.flag != "name" || len(said) != 3 || !strings.Contains(said[2], "name: is needed") {
		t.Errorf("%q, %v", said, err)
	}
	stop := errors.New("stop")
	if err := (&Answers{}).Complete(func(string) (string, error) { return "", stop }); !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
}
