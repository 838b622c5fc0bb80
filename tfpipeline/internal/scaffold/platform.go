// Package scaffold turns a checkout of this repository into somebody's own
// platform: it finds the services in the folder, writes gen/config/default.go,
// removes the migrations and renames the Go module. It writes nothing before
// the platform is valid.
package scaffold

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/specboard/platform/gen/config"
)

// Answers are what only the platform's owner knows.
type Answers struct {
	// Name begins every AWS name, such as "shop".
	Name string
	// Account is the twelve-digit AWS account, Region such as "eu-central-1".
	Account, Region string
	// Domain is the apex of the hosted zone, such as "shop.io".
	Domain string
	// Repository is the GitHub repository, as owner/name.
	Repository string
	// IDs are GitHub's of the owner and the repository, such as
	// "1234567/987654321"; empty: not known yet.
	IDs string
	// Zones are letters of availability zones, such as "a,c"; empty is two that
	// every account has.
	Zones string
	// Email receives production's alarms; empty is on-call@Domain.
	Email string
	// HealthPath is the path of every service's health check; empty is
	// "/health".
	HealthPath string
	Services   []Service
	// Found: the services are those of the folder, which init finds again.
	Found bool
	// NoDatabase and NoCache make a platform without them.
	NoDatabase, NoCache bool
}

// Service is one container.
type Service struct {
	Name string
	// Port is what it listens on; 0: on none, as a worker does.
	Port int
	// Folder holds what the build may copy, relative to the checkout and with
	// slashes; empty stands for the sample application.
	Folder string
	// Dockerfile is the file, relative to the checkout; empty is "Dockerfile" in
	// Folder.
	Dockerfile string
	// HealthCommand is how ECS checks a worker.
	HealthCommand []string
}

// sampleImage is the application in the image of a service without a
// Dockerfile.
const sampleImage = "tfpipeline/internal/localaws/sample/Dockerfile"

// ParseService reads NAME:PORT[:FOLDER[:DOCKERFILE]], where a Dockerfile may stand
// for its folder.
func ParseService(text string) (Service, error) {
	parts := strings.SplitN(text, ":", 3)
	if len(parts) < 2 {
		return Service{}, fmt.Errorf("read service %q: write NAME:PORT, NAME:PORT:FOLDER or NAME:PORT:FOLDER:DOCKERFILE, such as api:8080:services/api", text)
	}
	port, err := strconv.Atoi(parts[1])
	if err != nil || port < 1 || port > 65535 {
		return Service{}, fmt.Errorf("read service %q: %q is no port, 1 to 65535", text, parts[1])
	}
	s := Service{Name: parts[0], Port: port}
	if len(parts) == 3 {
		s.build(parts[2])
	}
	return s, nil
}

// ParseWorker reads NAME[:FOLDER[:DOCKERFILE]], as ParseService does.
func ParseWorker(text string) Service {
	name, in, ok := strings.Cut(text, ":")
	s := Service{Name: name}
	if ok {
		s.build(in)
	}
	return s
}

// build reads FOLDER, DOCKERFILE or FOLDER:DOCKERFILE.
func (s *Service) build(text string) {
	folder, file, ok := strings.Cut(text, ":")
	if !ok && isDockerfile(path.Base(text)) {
		folder, file = path.Dir(text), text
	}
	s.buildFrom(path.Clean(folder), file)
}

func (s *Service) buildFrom(folder, file string) {
	s.Folder = folder
	if file = path.Clean(file); file != "." && file != path.Join(folder, "Dockerfile") {
		s.Dockerfile = file
	}
}

// dockerfile is the path of the Dockerfile.
func (s Service) dockerfile() string {
	return cmp.Or(s.Dockerfile, path.Join(s.Folder, "Dockerfile"))
}

// String is the service as ParseService or ParseWorker reads it.
func (s Service) String() string {
	text := s.Name
	if s.Port != 0 {
		text += ":" + strconv.Itoa(s.Port)
	}
	switch {
	case s.Folder == "":
		return text
	case s.Dockerfile == "":
		return text + ":" + s.Folder
	case path.Dir(s.Dockerfile) == s.Folder:
		return text + ":" + s.Dockerfile
	}
	return text + ":" + s.Folder + ":" + s.Dockerfile
}

// frontDoors are usual names of the service that answers requests that no
// route matches. The first three are also looked for within names.
var frontDoors = []string{"web", "front", "www", "frontend", "site", "ui", "app"}

// front returns the index of the default service; -1 if all are workers.
func front(services []Service) int {
	for _, name := range frontDoors {
		if i := slices.IndexFunc(services, func(s Service) bool { return s.Name == name && s.Port != 0 }); i >= 0 {
			return i
		}
	}
	for _, word := range frontDoors[:3] {
		if i := slices.IndexFunc(services, func(s Service) bool { return s.Port != 0 && strings.Contains(s.Name, word) }); i >= 0 {
			return i
		}
	}
	return slices.IndexFunc(services, func(s Service) bool { return s.Port != 0 })
}

// safeZones are the letters of two availability zones of a region that every
// account has; "" where no two are: an account has two of us-west-1's three. The
// zone b of Tokyo is closed to new accounts, and Seoul's came later.
func safeZones(region string) string {
	switch region {
	case "us-west-1":
		return ""
	case "ap-northeast-1", "ap-northeast-2":
		return "a,c"
	default:
		return "a,b"
	}
}

// private reports whether all services are workers, which need no domain.
func (a *Answers) private() bool { return len(a.Services) > 0 && front(a.Services) < 0 }

// email is who hears production's alarms; "" is unknown.
func (a *Answers) email() string {
	if a.Email == "" && a.Domain != "" {
		return "on-call@" + a.Domain
	}
	return a.Email
}

// zones are the availability zones by name.
func (a Answers) zones() (names []string) {
	for letter := range strings.SplitSeq(cmp.Or(a.Zones, safeZones(a.Region)), ",") {
		names = append(names, a.Region+strings.TrimPrefix(strings.TrimSpace(letter), a.Region))
	}
	return names
}

// ids reads the ids of the owner and the repository; 0 if there are none.
func (a Answers) ids() (owner, repository int64, err error) {
	if a.IDs == "" {
		return 0, 0, nil
	}
	first, second, _ := strings.Cut(a.IDs, "/")
	owner, err = strconv.ParseInt(first, 10, 64)
	if err == nil {
		repository, err = strconv.ParseInt(second, 10, 64)
	}
	if err != nil || owner < 1 || repository < 1 {
		return 0, 0, fmt.Errorf("read ids %q: write the owner's and the repository's, such as 1234567/987654321", a.IDs)
	}
	return owner, repository, nil
}

// Platform returns the platform that the answers describe. All services with a
// port are public and one of them is the default. Staging is small; production is
// protected and asks for staging's proof. The caller validates it.
func (a Answers) Platform() config.Platform {
	owner, name, _ := strings.Cut(a.Repository, "/")
	ownerID, id, _ := a.ids() // Run has checked them
	p := config.Platform{
		Name:              a.Name,
		Region:            a.Region,
		AvailabilityZones: a.zones(),
		Account:           a.Account,
		Domain:            a.Domain,
		Repository:        config.Repository{Owner: owner, Name: name, Branch: "main", OwnerID: ownerID, ID: id},
		PostgresVersion:   "17",
		RedisVersion:      "7.1",
		CacheTokenVersion: 1,
		Secrets: []config.Secret{
			{Name: "db-credentials", Kind: config.DatabaseCredentials, Variable: "DB_PASSWORD", Length: 48},
		},
		Environments: a.environments(),
	}
	def, priority, health := front(a.Services), 100, cmp.Or(a.HealthPath, "/health")
	for i, s := range a.Services {
		service := config.Service{
			Name: s.Name, Image: s.image(), Port: s.Port, Database: !a.NoDatabase, Cache: !a.NoCache,
		}
		switch {
		case s.Port == 0:
			service.HealthCommand = s.HealthCommand
		case i == def:
			service.HealthPath, service.Default = health, true
		default:
			service.HealthPath, service.Routes, service.Priority = health, []string{"/" + s.Name, "/" + s.Name + "/*"}, priority
			priority += 100
		}
		p.Services = append(p.Services, service)
	}
	if len(p.Services) > 0 && !a.NoDatabase {
		p.Tasks = []config.Task{{
			Name: config.MigrateTask, Service: p.Services[0].Name, Command: []string{"migrate", "up"},
			CPU: 256, Memory: 512, Database: true,
		}}
	}
	a.leaveOut(&p, def < 0)
	return p
}

// leaveOut removes the parts that the platform does without.
func (a Answers) leaveOut(p *config.Platform, private bool) {
	if private {
		p.Domain = ""
	}
	if a.NoDatabase {
		p.PostgresVersion, p.Secrets = "", nil
	}
	if a.NoCache {
		p.RedisVersion, p.CacheTokenVersion = "", 0
	}
	for i := range p.Environments {
		e := &p.Environments[i]
		if private {
			e.Subdomain, e.Alarms.HTTP5xx, e.AccessLogDays = "", 0, 0
		}
		if a.NoDatabase {
			e.Database = config.Database{}
		}
		if a.NoCache {
			e.Cache = config.Cache{}
		}
		if a.NoDatabase && a.NoCache {
			e.Maintenance = config.Maintenance{}
		}
	}
}

func (s Service) image() config.Image {
	if s.Folder == "" {
		return config.Image{Dockerfile: sampleImage}
	}
	return config.Image{Context: s.Folder, Dockerfile: s.Dockerfile}
}

func (a Answers) environments() []config.Environment {
	alarms := config.Alarms{CPUPercent: 80, MemoryPercent: 80, HTTP5xx: 10, Period: 5 * time.Minute}
	heard := alarms
	heard.Emails = []string{a.email()}
	return []config.Environment{
		{
			Name: "staging", Subdomain: "staging",
			Network:     config.Network{CIDR: "10.10.0.0/16", NATGateways: 1},
			Database:    config.Database{InstanceClass: "db.t4g.micro", StorageGiB: 20, MaxStorageGiB: 100, BackupRetentionDays: 1},
			Cache:       config.Cache{NodeType: "cache.t4g.micro", Nodes: 1},
			Maintenance: config.Maintenance{ApplyImmediately: true},
			Size:        config.Size{CPU: 256, Memory: 512, MinTasks: 1, MaxTasks: 1},
			Alarms:      alarms, LogRetentionDays: 30, Exec: true,
		},
		{
			Name: "production", Protected: true,
			Network: config.Network{CIDR: "10.20.0.0/16", NATGateways: len(a.zones()), FlowLogDays: 14},
			Database: config.Database{
				InstanceClass: "db.t4g.small", StorageGiB: 20, MaxStorageGiB: 100, MultiAZ: true,
				BackupRetentionDays: 7, DeletionProtection: true, PerformanceInsights: true,
			},
			Cache:  config.Cache{NodeType: "cache.t4g.micro", Nodes: 1, SnapshotDays: 7},
			Size:   config.Size{CPU: 256, Memory: 512, MinTasks: 2, MaxTasks: 6, TargetCPUPercent: 60},
			Alarms: heard, LogRetentionDays: 30, AccessLogDays: 30,
			Proof: &config.Proof{From: "staging", MinimumBake: 10 * time.Minute},
		},
	}
}
