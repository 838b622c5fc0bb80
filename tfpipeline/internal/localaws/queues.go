package localaws

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// queues let many use moto's queues at the same time. moto copies the list of a
// queue's messages to delete one of them, and loses what is sent meanwhile, so one
// call is answered at a time. A receiver that waits would keep all others waiting,
// and moto would give it a message even when it has gone: waiting is done here.
type queues struct {
	one sync.Mutex
}

// queuePoll is how often a receiver that waits looks for messages.
const queuePoll = 50 * time.Millisecond

func (q *queues) operations() endpoint.Table {
	return endpoint.Table{"sqs.*": q.answer, "sqs.ReceiveMessage": q.receive, "sqs.GetQueueAttributes": q.attributes}
}

func (q *queues) answer(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	q.one.Lock()
	defer q.one.Unlock()
	return next(c)
}

// attributes writes a queue's redrive policy as AWS does, without the spaces that moto
// puts into it: the provider would plan to take them out.
func (q *queues) attributes(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	rep, err := q.answer(c, next)
	if err != nil || rep.Status != http.StatusOK || !json.Valid(rep.Body) {
		return rep, err
	}
	var queue struct{ Attributes map[string]string }
	if err := json.Unmarshal(rep.Body, &queue); err != nil {
		return nil, fmt.Errorf("read a queue's attributes: %w", err)
	}
	if queue.Attributes[redrivePolicy] == "" {
		return rep, nil
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(queue.Attributes[redrivePolicy])); err != nil {
		return nil, fmt.Errorf("read a redrive policy: %w", err)
	}
	queue.Attributes[redrivePolicy] = compact.String()
	return endpoint.JSON(queue)
}

const redrivePolicy = "RedrivePolicy"

// receive answers with messages as soon as there are some, or with none when the
// receiver has waited as long as it wants to.
func (q *queues) receive(c *endpoint.Call, next endpoint.Next) (*endpoint.Reply, error) {
	var asked map[string]any
	if err := endpoint.DecodeJSON(c.Body, &asked); err != nil {
		return nil, err
	}
	wait, err := q.wait(c, asked, next)
	if err != nil || wait < 0 || wait > 20 {
		return q.answer(c, next) // moto says what is wrong
	}
	now := maps.Clone(asked)
	now["WaitTimeSeconds"] = 0
	look := *c
	if look.Body, err = json.Marshal(now); err != nil {
		return nil, fmt.Errorf("look for messages: %w", err)
	}
	end := time.NewTimer(time.Duration(wait) * time.Second)
	defer end.Stop()
	tick := time.NewTicker(queuePoll)
	defer tick.Stop()
	for {
		if err := c.Request.Context().Err(); err != nil {
			return nil, fmt.Errorf("wait for messages: %w", err)
		}
		rep, err := q.answer(&look, next)
		if err != nil || rep.Status != http.StatusOK || wait == 0 {
			return rep, err
		}
		var found struct{ Messages []json.RawMessage }
		if err := endpoint.DecodeJSON(rep.Body, &found); err != nil || len(found.Messages) > 0 {
			return rep, err
		}
		select {
		case <-end.C:
			return rep, nil
		case <-tick.C:
		case <-c.Request.Context().Done():
		}
	}
}

// wait is how many seconds a receiver waits: what it says, or else the queue.
func (q *queues) wait(c *endpoint.Call, asked map[string]any, next endpoint.Next) (int, error) {
	if given, ok := asked["WaitTimeSeconds"]; ok {
		return strconv.Atoi(fmt.Sprint(given))
	}
	const attribute = "ReceiveMessageWaitTimeSeconds"
	body, err := json.Marshal(map[string]any{"QueueUrl": asked["QueueUrl"], "AttributeNames": []string{attribute}})
	if err != nil {
		return 0, fmt.Errorf("read how long a queue has receivers wait: %w", err)
	}
	read := *c
	read.Operation, read.Body, read.Request = "GetQueueAttributes", body, c.Request.Clone(c.Request.Context())
	read.Request.Header.Set("X-Amz-Target", "AmazonSQS.GetQueueAttributes")
	rep, err := q.answer(&read, next)
	if err != nil {
		return 0, err
	}
	var queue struct{ Attributes map[string]string }
	if err := endpoint.DecodeJSON(rep.Body, &queue); err != nil {
		return 0, err
	}
	return strconv.Atoi(queue.Attributes[attribute])
}
