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
)

// ownFolders are this repository's own folders. A Dockerfile in them is no
// application's.
var ownFolders = []string{"bin", "docs", "envs", "examples", "gen", "migrations", "modules", "tfpipeline"}

// Discover finds the services of a checkout: every Dockerfile whose last stage
// exposes a port, named for its folder. without lists the Dockerfiles that expose
// none.
func Discover(checkout fs.FS) (services []Service, without []string, err error) {
	err = fs.WalkDir(checkout, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if p != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"node_modules", "vendor", "testdata"}, d.Name()) || slices.Contains(ownFolders, p)) {
				return fs.SkipDir
			}
			return nil
		case d.Name() != "Dockerfile" && path.Ext(p) != ".Dockerfile":
			return nil
		}
		content, err := fs.ReadFile(checkout, p)
		if err != nil {
			return err
		}
		port, ok := exposed(string(content))
		if !ok {
			without = append(without, p)
			return nil
		}
		s := Service{Name: serviceName(p, 1), Port: port, Folder: path.Dir(p), Dockerfile: path.Base(p)}
		for folders := 2; folders < 5 && slices.ContainsFunc(services, func(o Service) bool { return o.Name == s.Name }); folders++ {
			s.Name = serviceName(p, folders)
		}
		services = append(services, s)
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("look for Dockerfiles: %w", err)
	}
	return services, without, nil
}

// sampleHealth is the sample application's own check.
var sampleHealth = []string{"CMD", "sample", "check"}

// readHealth takes the health commands of workers from their Dockerfiles. A worker
// whose file has none stays without, which Validate refuses.
func (a *Answers) readHealth(checkout fs.FS) error {
	for i := range a.Services {
		s := &a.Services[i]
		if s.Port != 0 {
			continue
		}
		if s.Folder == "" {
			s.HealthCommand = sampleHealth
			continue
		}
		content, err := fs.ReadFile(checkout, path.Join(s.Folder, "Dockerfile"))
		if err != nil {
			return fmt.Errorf("read the HEALTHCHECK of worker %s: %w", s.Name, err)
		}
		s.HealthCommand = healthcheck(string(content))
	}
	return nil
}

var (
	continued       = regexp.MustCompile(`\\[ \t]*\r?\n\s*`)
	healthcheckLine = regexp.MustCompile(`(?i)^HEALTHCHECK\s+(?:--\S+\s+)*(?:CMD\s+(.*)|NONE)$`)
)

// instructions are a Dockerfile's lines, continued ones joined.
func instructions(dockerfile string) (lines []string) {
	for line := range strings.Lines(continued.ReplaceAllString(dockerfile, " ")) {
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

// healthcheck returns the command of a Dockerfile's HEALTHCHECK, as ECS takes it;
// nil without one. The last one counts, as for Docker.
func healthcheck(dockerfile string) (command []string) {
	for _, line := range instructions(dockerfile) {
		if fromLine.MatchString(line) {
			command = nil
		}
		m := healthcheckLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		var words []string
		switch {
		case m[1] == "":
			command = nil
		case json.Unmarshal([]byte(m[1]), &words) == nil:
			command = append([]string{"CMD"}, words...)
		default:
			command = []string{"CMD-SHELL", m[1]}
		}
	}
	return command
}

var notInName = regexp.MustCompile(`[^a-z0-9]+`)

// serviceName returns a service's name: from the Dockerfile's own name, or
// else from its last folders.
func serviceName(p string, folders int) string {
	// A folder that is only for Docker says nothing of the service.
	parts := strings.Split(strings.TrimSuffix(path.Dir(p), "/docker"), "/")
	name := strings.Join(parts[max(0, len(parts)-folders):], "-")
	if own, ok := strings.CutSuffix(path.Base(p), ".Dockerfile"); ok {
		name = own
	}
	name = strings.Trim(notInName.ReplaceAllString(strings.ToLower(name), "-"), "-")
	return cmp.Or(name, "app")
}

var (
	fromLine   = regexp.MustCompile(`(?i)^FROM\s`)
	exposeLine = regexp.MustCompile(`(?i)^EXPOSE\s+(.*)$`)
	valueLine  = regexp.MustCompile(`(?i)^(?:ENV|ARG)\s+(\w+)(?:=|\s+)["']?([^"'\s]+)`)
	variable   = regexp.MustCompile(`\$\{?(\w+)(?::-([^}]*))?\}?`)
)

// exposed returns the first TCP port that a Dockerfile's last stage exposes.
func exposed(dockerfile string) (port int, ok bool) {
	values := map[string]string{}
	for _, line := range instructions(dockerfile) {
		if fromLine.MatchString(line) {
			port, ok = 0, false
		}
		if m := valueLine.FindStringSubmatch(line); m != nil {
			values[m[1]] = m[2]
		}
		m := exposeLine.FindStringSubmatch(line)
		if m == nil || ok {
			continue
		}
		for word := range strings.FieldsSeq(m[1]) {
			word = variable.ReplaceAllStringFunc(word, func(use string) string {
				parts := variable.FindStringSubmatch(use)
				if value := values[parts[1]]; value != "" {
					return value
				}
				return parts[2]
			})
			number, protocol, _ := strings.Cut(strings.ToLower(word), "/")
			n, err := strconv.Atoi(number)
			if err == nil && n > 0 && n < 65536 && protocol != "udp" {
				port, ok = n, true
				break
			}
		}
	}
	return port, ok
}
