package localaws

import (
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// conditionalPuts lets one at a time through: moto looks at the condition first
// and writes afterwards, so that two at once may both hold it true.
func conditionalPuts() endpoint.Table {
	var one sync.Mutex
	return endpoint.Table{"s3." + endpoint.ConditionalPut: func(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
		body, err := io.ReadAll(http.MaxBytesReader(nil, c.Request.Body, endpoint.MaxBody))
		if err != nil {
			return nil, fmt.Errorf("read the object: %w", err)
		}
		whole := *c
		whole.Body, whole.Request = body, c.Request.Clone(c.Request.Context())
		whole.Request.Header.Del("Expect") // our own server has told the client to go on
		one.Lock()
		defer one.Unlock()
		return next(&whole)
	}}
}
