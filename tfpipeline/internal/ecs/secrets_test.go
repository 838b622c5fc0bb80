package ecs_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/specboard/platform/tfpipeline/internal/deploy"
)

func TestSecretsWithoutAValue(t *testing.T) {
	inWorld(t, options{services: 1}, func(w *world) {
		secrets := map[string]members{
			"staging/doc-platform/session-secret": {"VersionIdsToStages": members{"v1": []string{"AWSPREVIOUS"}, "v2": []string{"AWSCURRENT"}}},
			"staging/doc-platform/invite-keys":    {},
			"staging/doc-platform/half":           {"VersionIdsToStages": members{"v1": []string{"AWSPENDING"}}},
		}
		w.wire.on("DescribeSecret", func(in members) (int, any) {
			out, ok := secrets[in["SecretId"].(string)]
			if !ok {
				return refusal("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
			}
			return http.StatusOK, out
		})
		got := ok(w.env.Empty(w.ctx, []string{"session-secret", "superadmin-password", "invite-keys", "half"}))(t)
		if diff := cmp.Diff([]string{"superadmin-password", "invite-keys", "half"}, got); diff != "" {
			t.Errorf("empty (- want, + got):\n%s", diff)
		}
		// It looks at secrets, and never into them.
		for _, request := range w.wire.made() {
			if !strings.HasPrefix(request, `DescribeSecret {"SecretId":"staging/doc-platform/`) {
				t.Errorf("made %s", request)
			}
		}

		secrets["staging/doc-platform/session-secret"]["DeletedDate"] = 1764000000
		if _, err := w.env.Empty(w.ctx, []string{"session-secret"}); err == nil ||
			!strings.Contains(err.Error(), "staging/doc-platform/session-secret: it will be deleted on 2025-11-24, and no task can read it until it is restored") {
			t.Errorf("about to be deleted: %v", err)
		}
		w.wire.on("DescribeSecret", func(members) (int, any) { return refusal("AccessDeniedException", "not authorized") })
		if _, err := w.env.Empty(w.ctx, []string{"session-secret"}); err == nil || deploy.IsTransient(err) {
			t.Errorf("denied: %v", err)
		}
	})
}
