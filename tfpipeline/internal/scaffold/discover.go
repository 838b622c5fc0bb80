package scaffold

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/specboard/platform/gen/config"
)

// ownFolders are this repository's own folders. A Dockerfile in them is no
// application's.
var ownFolders = []string{"bin", "docs", "envs", "examples", "gen", "migrations", "modules", "tfpipeline"}

// Found is what Discover finds.
type Found struct {
	// Services are those whose last stage exposes a port or has a HEALTHCHECK, and
	// Without those that have neither.
	Services, Without []Service
	// PassedOver are sentences about what cannot be a service's or could not be read.
	PassedOver []string
}

// Discover finds the services of a checkout: every Dockerfile whose last stage
// exposes a port, and every one that exposes none but has a HEALTHCHECK, which is a
// worker's. They are named for their folders. A folder or a Dockerfile that cannot be
// read is passed over, and so is a path with a space, which no image has.
func Discover(checkout fs.FS) (found Found, err error) {
	names := map[string]bool{}
	err = fs.WalkDir(checkout, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return passOver(&found.PassedOver, p, err)
		case d.IsDir():
			if p != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"node_modules", "vendor", "testdata"}, d.Name()) || slices.Contains(ownFolders, p)) {
				return fs.SkipDir
			}
			return nil
		case !isDockerfile(d.Name()) || variant(checkout, p):
			return nil
		case strings.ContainsAny(p, " \\"):
			found.PassedOver = append(found.PassedOver, "passed over "+strconv.Quote(p)+": the path of an image has no space and no backslash; rename the folder if it is a service")
			return nil
		}
		content, err := fs.ReadFile(checkout, p)
		if err != nil {
			found.PassedOver = append(found.PassedOver, fmt.Sprintf("passed over %s: %v", p, err))
			return nil
		}
		last := lastStage(string(content))
		s := Service{Name: freeName(p, names), Port: last.port}
		names[s.Name] = true
		s.buildFrom(path.Dir(p), p)
		if s.Port == 0 {
			s.HealthCommand = last.health
		}
		if s.Port == 0 && s.HealthCommand == nil {
			found.Without = append(found.Without, s)
		} else {
			found.Services = append(found.Services, s)
		}
		return nil
	})
	if err != nil {
		return Found{}, fmt.Errorf("look for Dockerfiles: %w", err)
	}
	return found, nil
}

// freeName is the service's name, with as many folders or else the number that no other
// service has.
func freeName(p string, names map[string]bool) string {
	for folders := 1; folders < 5; folders++ {
		if name := serviceName(p, folders); !names[name] {
			return name
		}
	}
	for n := 2; ; n++ {
		if name := serviceName(p, 1) + "-" + strconv.Itoa(n); !names[name] {
			return name
		}
	}
}

// dockerfileName matches Dockerfile and Containerfile, with a suffix such as
// .worker or after a name such as search.
var dockerfileName = regexp.MustCompile(`^(?:Docker|Container)file(?:\.([^/]+))?$|^([^/]+)\.(?:Docker|Container)file$`)

func isDockerfile(base string) bool { return dockerfileName.MatchString(base) }

// ownName is the rest of a Dockerfile's name, its suffix or its beginning; "" if it has
// none.
func ownName(base string) string {
	m := dockerfileName.FindStringSubmatch(base)
	return strings.ToLower(m[1] + m[2])
}

// releases are own names that say nothing about the service, and variants those of
// Dockerfiles that build nothing for production.
var (
	releases = []string{"", "prod", "production", "release"}
	variants = []string{"dev", "development", "test", "tests", "testing", "ci", "local", "debug", "base", "build", "builder", "dockerignore", "bak", "orig", "tmpl", "template", "j2"}
)

// variant reports whether a Dockerfile builds nothing for production, or the same
// as the plain one of its folder.
func variant(checkout fs.FS, p string) bool {
	own := ownName(path.Base(p))
	if own == "" || !slices.Contains(releases, own) {
		return slices.Contains(variants, own[strings.LastIndex(own, ".")+1:])
	}
	_, err := fs.Stat(checkout, path.Join(path.Dir(p), "Dockerfile"))
	return err == nil
}

// sampleHealth is the sample application's own check.
var sampleHealth = []string{"CMD", "sample", "check"}

// readDockerfiles takes the health commands of workers from their Dockerfiles. A
// worker whose file has none stays without, which Validate refuses. missing are
// the Dockerfiles of other services that are not there.
func (a *Answers) readDockerfiles(checkout fs.FS) (missing []string, err error) {
	for i := range a.Services {
		s := &a.Services[i]
		if s.Folder == "" {
			if s.Port == 0 {
				s.HealthCommand = sampleHealth
			}
			continue
		}
		content, err := fs.ReadFile(checkout, s.dockerfile())
		switch {
		case err == nil && s.Port == 0:
			s.HealthCommand = lastStage(string(content)).health
		case err != nil && s.Port == 0:
			return nil, fmt.Errorf("read the HEALTHCHECK of worker %s: %w", s.Name, err)
		case err != nil:
			missing = append(missing, s.dockerfile())
		}
	}
	return missing, nil
}

var notInName = regexp.MustCompile(`[^a-z0-9]+`)

// serviceName returns a service's name: from its last folders, where the Dockerfile's
// own name counts as one.
func serviceName(p string, folders int) string {
	// A folder that is only for Docker says nothing of the service.
	parts := strings.Split(strings.TrimSuffix(path.Dir(p), "/docker"), "/")
	if own := ownName(path.Base(p)); !slices.Contains(releases, own) {
		parts = append(parts, own)
	}
	name := strings.Join(parts[max(0, len(parts)-folders):], "-")
	name = cmp.Or(strings.Trim(notInName.ReplaceAllString(strings.ToLower(name), "-"), "-"), "app")
	switch {
	case name[0] < 'a':
		return "app-" + name
	case config.Reserved(name) || name == config.MigrateTask:
		return name + "-service"
	}
	return name
}

// stage is what a stage of a Dockerfile says of its image.
type stage struct {
	port   int // the first TCP port that it exposes; 0 is none
	health []string
}

var (
	continued       = regexp.MustCompile(`\\[ \t]*\r?\n\s*`)
	fromLine        = regexp.MustCompile(`(?i)^FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?`)
	exposeLine      = regexp.MustCompile(`(?i)^EXPOSE\s+(.*)$`)
	healthcheckLine = regexp.MustCompile(`(?i)^HEALTHCHECK\s+(?:--\S+\s+)*(?:CMD\s+(.*)|NONE)$`)
	valuesLine      = regexp.MustCompile(`(?i)^(?:ENV|ARG)\s+(.*)$`)
	pair            = regexp.MustCompile(`(\w+)=("[^"]*"|'[^']*'|\S*)`)
	oldPair         = regexp.MustCompile(`^(\w+)\s+(.*)$`)
	variable        = regexp.MustCompile(`\$\{?(\w+)(?::-([^}]*))?\}?`)
)

// lastStage reads a Dockerfile. A stage inherits from the stage that it is made from.
// Of its own lines, the first port and the last HEALTHCHECK count.
func lastStage(dockerfile string) (last stage) {
	values, stages := map[string]string{}, map[string]stage{}
	expand := func(text string) string {
		return variable.ReplaceAllStringFunc(text, func(use string) string {
			parts := variable.FindStringSubmatch(use)
			return cmp.Or(values[parts[1]], parts[2])
		})
	}
	name, exposes := "", false
	for line := range strings.Lines(continued.ReplaceAllString(dockerfile, " ")) {
		line = strings.TrimSpace(line)
		if m := fromLine.FindStringSubmatch(line); m != nil {
			last, name, exposes = stages[strings.ToLower(m[1])], strings.ToLower(m[2]), false
		}
		if m := valuesLine.FindStringSubmatch(line); m != nil {
			pairs := oldPair.FindAllStringSubmatch(m[1], -1)
			if pairs == nil {
				pairs = pair.FindAllStringSubmatch(m[1], -1)
			}
			for _, p := range pairs {
				values[p[1]] = strings.Trim(expand(p[2]), `"'`)
			}
		}
		if m := exposeLine.FindStringSubmatch(line); m != nil && !exposes {
			if port := firstPort(expand(m[1])); port != 0 {
				last.port, exposes = port, true
			}
		}
		if m := healthcheckLine.FindStringSubmatch(line); m != nil {
			last.health = healthCommand(m[1])
		}
		stages[name] = last
	}
	return last
}

// firstPort is the first TCP port of what EXPOSE says; 0 is none.
func firstPort(text string) int {
	for word := range strings.FieldsSeq(text) {
		number, protocol, _ := strings.Cut(strings.ToLower(word), "/")
		number, _, _ = strings.Cut(number, "-") // of a range
		if n, err := strconv.Atoi(number); err == nil && n > 0 && n < 65536 && protocol != "udp" {
			return n
		}
	}
	return 0
}

// healthCommand is the command of a HEALTHCHECK, as ECS takes it; nil for NONE.
func healthCommand(command string) []string {
	var words []string
	switch {
	case command == "":
		return nil
	case json.Unmarshal([]byte(command), &words) == nil:
		return append([]string{"CMD"}, words...)
	}
	return []string{"CMD-SHELL", command}
}
