package deploy

import (
	"strings"
	"testing"
	"time"
)

func TestProve(t *testing.T) {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	ran := func(digest string, from int) FormerDeployment {
		return FormerDeployment{ARN: "d-" + digest, Revision: "r-" + digest, Digest: digest, State: DeploymentSuccessful, Created: at(from - 2), Finished: at(from)}
	}
	ended := func(digest string, from int, state DeploymentState) FormerDeployment {
		d := ran(digest, from)
		d.State = state
		return d
	}
	crashed := func(digest string, from, last int) FormerDeployment {
		d := ran(digest, from)
		d.Crashed = at(last)
		return d
	}
	digests := map[string]string{"api": "a2", "mcp": "m2"}
	for _, tt := range []struct {
		name  string
		api   []FormerDeployment
		mcp   []FormerDeployment
		baked time.Duration
		err   string
	}{
		{name: "both ran long enough", api: []FormerDeployment{ran("a1", -99), ran("a2", -30)}, mcp: []FormerDeployment{ran("m2", -20)}, baked: 20 * time.Minute},
		{name: "one ran too short", api: []FormerDeployment{ran("a2", -30)}, mcp: []FormerDeployment{ran("m2", -7)},
			err: "has run this release for 7m0s, and 10m0s are required, which it will reach at 2026-11-23T12:03:00Z"},
		{name: "one crashed until a minute ago", api: []FormerDeployment{crashed("a2", -180, -1)}, mcp: []FormerDeployment{ran("m2", -60)},
			err: "has run this release for 1m0s, since a task of api stopped by itself at 2026-11-23T11:59:00Z, and 10m0s are required"},
		{name: "one crashed, and then ran long enough", api: []FormerDeployment{crashed("a2", -60, -20)}, mcp: []FormerDeployment{ran("m2", -60)}, baked: 20 * time.Minute},
		{name: "one never ran", api: []FormerDeployment{ran("a2", -30)}, mcp: []FormerDeployment{ran("m1", -30)}, err: "no proof for mcp from staging: m2 never ran there"},
		{name: "nothing is known", err: "no proof for api from staging: a2 never ran there\nno proof for mcp"},
		{name: "one is being deployed", api: []FormerDeployment{ended("a2", -30, DeploymentInProgress)}, mcp: []FormerDeployment{ran("m2", -30)}, err: "the deployment of a2 has not ended yet"},
		{name: "one failed", api: []FormerDeployment{ran("a2", -30)}, mcp: []FormerDeployment{ended("m2", -30, DeploymentRolledBack)}, err: "deployment d-m2 of m2 ended rolled back"},
		{name: "one was stopped", api: []FormerDeployment{ran("a2", -30)}, mcp: []FormerDeployment{ended("m2", -30, DeploymentStopped)}, err: "ended stopped"},
		{name: "it failed after it ran", api: []FormerDeployment{ran("a2", -60), ended("a2", -5, DeploymentRollingBack)}, mcp: []FormerDeployment{ran("m2", -60)}, err: "ended rolling back"},
		{name: "it ran after it failed", api: []FormerDeployment{ended("a2", -60, DeploymentRolledBack), ran("a2", -40)}, mcp: []FormerDeployment{ran("m2", -60)}, baked: 40 * time.Minute},
		{name: "it ran until the next came", api: []FormerDeployment{ran("a2", -60), ran("a3", -28)}, mcp: []FormerDeployment{ran("m2", -60)}, baked: 30 * time.Minute},
		{name: "the next failed", api: []FormerDeployment{ran("a2", -60), ended("a3", -20, DeploymentRolledBack)}, mcp: []FormerDeployment{ran("m2", -60)}, baked: time.Hour},
		{name: "deployed twice", api: []FormerDeployment{ran("a2", -60), ran("a2", -1)}, mcp: []FormerDeployment{ran("m2", -60)}, baked: time.Hour},
		{name: "never at the same time", api: []FormerDeployment{ran("a2", -60), ran("a3", -48)}, mcp: []FormerDeployment{ran("m2", -30)}, err: "its services never ran this release at the same time"},
		{name: "together for a short time only", api: []FormerDeployment{ran("a2", -60), ran("a3", -24)}, mcp: []FormerDeployment{ran("m2", -30)}, err: "for 4m0s, and 10m0s are required"},
		{name: "a second time", api: []FormerDeployment{ran("a2", -90), ran("a3", -80), ran("a2", -30)}, mcp: []FormerDeployment{ran("m2", -90)}, baked: 30 * time.Minute},
		{name: "the first time was long enough", api: []FormerDeployment{ran("a2", -90), ran("a3", -60), ran("a2", -3)}, mcp: []FormerDeployment{ran("m2", -90)}, baked: 28 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Prove("staging", digests, map[string][]FormerDeployment{"api": tt.api, "mcp": tt.mcp}, 10*time.Minute, noon)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil || p.Baked != tt.baked || p.Until.Sub(p.Since) != tt.baked {
				t.Fatalf("%+v, %v, want %v", p, err, tt.baked)
			}
			if s := p.Services["mcp"]; s.Deployment != "d-m2" || s.Revision != "r-m2" || s.Digest != "m2" {
				t.Errorf("evidence %+v", s)
			}
		})
	}
}
