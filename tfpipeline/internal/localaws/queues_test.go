package localaws

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// The provider plans a change for every byte that differs.
func TestRedrivePolicy(t *testing.T) {
	rep, err := (&queues{}).operations()["sqs.GetQueueAttributes"](&endpoint.Call{Service: "sqs", Operation: "GetQueueAttributes"}, func(*endpoint.Call) (*endpoint.Reply, error) {
		return endpoint.JSON(map[string]any{"Attributes": map[string]string{"VisibilityTimeout": "15", "RedrivePolicy": `{"deadLetterTargetArn": "arn:d", "maxReceiveCount": 5}`}})
	})
	if want := `{"Attributes":{"RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:d\",\"maxReceiveCount\":5}","VisibilityTimeout":"15"}}`; err != nil || string(rep.Body) != want {
		t.Errorf("%s, %v", rep.Body, err)
	}
}

// TestReceivers: a receiver waits as long as it, or the queue, says, gets a message
// when it comes, and gets none when it has gone; others are answered meanwhile.
func TestReceivers(t *testing.T) {
	for _, c := range []struct {
		name, body string
		sent, gone time.Duration // 0: never
		want       time.Duration
		messages   int
	}{
		{"at once", `{"QueueUrl":"u","WaitTimeSeconds":0}`, 0, 0, 0, 0},
		{"nothing comes", `{"QueueUrl":"u","WaitTimeSeconds":2}`, 0, 0, 2 * time.Second, 0},
		{"as the queue says", `{"QueueUrl":"u"}`, 0, 0, 20 * time.Second, 0},
		{"it comes", `{"QueueUrl":"u"}`, 10 * time.Second, 0, 10 * time.Second, 1},
		{"the receiver goes", `{"QueueUrl":"u"}`, 10 * time.Second, 5 * time.Second, 5 * time.Second, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				queues, began := &queues{}, time.Now()
				moto := func(call *endpoint.Call) (*endpoint.Reply, error) {
					if call.Operation == "GetQueueAttributes" {
						return endpoint.JSON(map[string]any{"Attributes": map[string]string{"ReceiveMessageWaitTimeSeconds": "20"}})
					}
					var asked struct{ WaitTimeSeconds *int }
					if err := json.Unmarshal(call.Body, &asked); err != nil || asked.WaitTimeSeconds == nil || *asked.WaitTimeSeconds != 0 {
						t.Errorf("moto is asked to wait: %s, %v", call.Body, err)
					}
					if c.sent == 0 || time.Since(began) < c.sent {
						return endpoint.JSON(struct{}{})
					}
					return endpoint.JSON(map[string]any{"Messages": []map[string]string{{"Body": "one"}}})
				}
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				if c.gone > 0 {
					time.AfterFunc(c.gone, leave)
				}
				r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://sqs/", nil)
				if err != nil {
					t.Fatal(err)
				}
				rep, err := queues.operations()["sqs.ReceiveMessage"](&endpoint.Call{Service: "sqs", Operation: "ReceiveMessage", Body: []byte(c.body), Request: r}, moto)
				if took := time.Since(began); took < c.want || took > c.want+queuePoll || (err != nil) != (c.gone > 0) {
					t.Fatalf("answered after %s, %v", took, err)
				}
				if err != nil {
					return
				}
				var found struct{ Messages []any }
				if err := json.Unmarshal(rep.Body, &found); err != nil || len(found.Messages) != c.messages {
					t.Errorf("%s, %v", rep.Body, err)
				}
			})
		})
	}
}
