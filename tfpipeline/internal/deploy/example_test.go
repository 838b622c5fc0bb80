package deploy_test

import (
	"fmt"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

// A release is proven once its very digests ran on staging, from a successful
// deployment and for long enough.
func ExampleProve() {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	digests := map[string]string{"api": "sha256:aaaa"}
	past := map[string][]deploy.FormerDeployment{"api": {{
		Digest: "sha256:aaaa", State: deploy.DeploymentSuccessful, Created: now.Add(-6 * time.Minute), Finished: now.Add(-4 * time.Minute),
	}}}
	_, err := deploy.Prove("staging", digests, past, 10*time.Minute, now)
	fmt.Println(err)
	proof, err := deploy.Prove("staging", digests, past, 3*time.Minute, now)
	fmt.Println(proof.Environment, proof.Baked, err)
	// Output:
	// no proof from staging: it has run this release for 4m0s, and 10m0s are required, which it will reach at 2026-03-02T12:06:00Z
	// staging 4m0s <nil>
}
