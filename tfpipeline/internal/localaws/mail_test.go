package localaws

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// TestIdentityHasKeys: what creates an identity and what reads it are told the same three
// keys, and another identity has others.
func TestIdentityHasKeys(t *testing.T) {
	tokens := func(method, path, body string) string {
		t.Helper()
		c := &endpoint.Call{Service: "ses", Body: []byte(body), Request: httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)}
		rep, err := completeIdentity("123456789012")(c, func(*endpoint.Call) (*endpoint.Reply, error) {
			return &endpoint.Reply{Status: http.StatusOK, Body: []byte(`{"DkimAttributes":{"NextSigningKeyLength":"RSA_2048_BIT","LastKeyGenerationTimestamp":"2026-11-27T00:00:00Z"}}`)}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		var said struct {
			DkimAttributes struct {
				Tokens                     []string
				CurrentSigningKeyLength    string
				LastKeyGenerationTimestamp float64
			}
		}
		if err := json.Unmarshal(rep.Body, &said); err != nil || len(said.DkimAttributes.Tokens) != 3 || said.DkimAttributes.CurrentSigningKeyLength != "RSA_2048_BIT" {
			t.Fatalf("%s, %v", rep.Body, err)
		}
		return strings.Join(said.DkimAttributes.Tokens, " ")
	}
	made := tokens(http.MethodPost, "/v2/email/identities", `{"EmailIdentity":"staging.shop.io"}`)
	if read := tokens(http.MethodGet, "/v2/email/identities/staging.shop.io", ""); read != made {
		t.Errorf("made with %s, read with %s", made, read)
	}
	if other := tokens(http.MethodGet, "/v2/email/identities/shop.io", ""); other == made {
		t.Errorf("two identities with %s", made)
	}
}
