package localaws

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// answerJSON is an answer of the JSON protocol.
func answerJSON(v any) (*reply, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write the answer: %w", err)
	}
	return &reply{http.StatusOK, http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, body}, nil
}

// decodeJSON reads a JSON body; an empty one is an empty object.
func decodeJSON(body []byte, v any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	if err := json.Unmarshal(body, v); err != nil {
		return refuse("SerializationException", "%s", err)
	}
	return nil
}

// newJSONRequest is a request of the JSON protocol to the endpoint itself.
func newJSONRequest(ctx context.Context, service, region, target string, v any) (*http.Request, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localaws/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", target)
	r.Header.Set("Authorization", signature(service, region))
	return r, nil
}

// seconds is a time as the JSON protocol writes it.
type seconds struct{ time.Time }

func (s seconds) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%.3f", float64(s.UnixMilli())/1000), nil
}

// page cuts a list at the size and token that were asked for. The token is the
// index to go on at, in letters that tempt nobody to read it.
func page[T any](all []T, token *string, size int) (part []T, next *string, err error) {
	start := 0
	if token != nil && *token != "" {
		if _, err := fmt.Sscanf(*token, "next-%d", &start); err != nil || start < 0 || start > len(all) {
			return nil, nil, refuse("InvalidParameterException", "the token %q is not one of ours", *token)
		}
	}
	end := len(all)
	if size > 0 && start+size < end {
		end = start + size
		t := fmt.Sprintf("next-%d", end)
		next = &t
	}
	return all[start:end], next, nil
}
