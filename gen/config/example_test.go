package config_test

import (
	"fmt"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/gen/config/configtest"
)

// Validate names everything that is wrong at once.
func ExamplePlatform_Validate() {
	p := configtest.Docs()
	p.Services[0].Port = 0
	p.Environments[0].Network.CIDR = "10.10.0.0/33"
	fmt.Println(p.Validate())
	// Output:
	// services["api"].port: 0 is not a port, 1 to 65535; for example 3000
	// services["mcp"].calls[0]: "api" has no port, so nobody can call it; for example Port: 3000
	// environments["staging"].network.cidr: "10.10.0.0/33" is not a /16 to /20 IPv4 block; for example "10.10.0.0/16"
}

// A service is one literal: its names in AWS follow from it.
func ExamplePlatform() {
	p := configtest.Docs()
	p.Services = append(p.Services, config.Service{Name: "storage", Port: 3003, HealthCommand: []string{"CMD-SHELL", "wget -q -O- localhost:3003/health"}, Calls: []string{"api"}})
	fmt.Println(p.Validate())
	fmt.Println(p.RepositoryURL("storage"))
	fmt.Println(p.Cluster("staging"))
	fmt.Println(p.StateBucket(), p.StateKey("staging"))
	// Output:
	// <nil>
	// 123456789012.dkr.ecr.us-west-2.amazonaws.com/doc-platform/storage
	// doc-platform-staging
	// doc-platform-state-123456789012 terraform/staging.tfstate
}
