package ecs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
)

// targetPrefix begins the X-Amz-Target header of every request of the service.
const targetPrefix = "AmazonEC2ContainerServiceV20141113."

// maxBody is larger than any valid request of the service, in bytes.
const maxBody = 4 << 20

// operation decodes and performs one call; the caller holds the model's lock.
type operation struct {
	decode func(body []byte) (any, error)
	do     func(input any) (any, error)
}

func op[In, Out any](do func(*In) (*Out, error)) operation {
	return operation{
		decode: func(body []byte) (any, error) {
			in := new(In)
			return in, decode(body, in)
		},
		do: func(input any) (any, error) { return do(input.(*In)) },
	}
}

func (r *Runtime) table() map[string]operation {
	return map[string]operation{
		"CreateCluster":               op(r.createCluster),
		"DeleteCluster":               op(r.deleteCluster),
		"DescribeClusters":            op(r.describeClusters),
		"ListClusters":                op(r.listClusters),
		"UpdateCluster":               op(r.updateCluster),
		"UpdateClusterSettings":       op(r.updateClusterSettings),
		"PutClusterCapacityProviders": op(r.putClusterCapacityProviders),
		"DescribeCapacityProviders":   op(r.describeCapacityProviders),

		"RegisterTaskDefinition":     op(r.registerTaskDefinition),
		"DescribeTaskDefinition":     op(r.describeTaskDefinition),
		"DeregisterTaskDefinition":   op(r.deregisterTaskDefinition),
		"DeleteTaskDefinitions":      op(r.deleteTaskDefinitions),
		"ListTaskDefinitions":        op(r.listTaskDefinitions),
		"ListTaskDefinitionFamilies": op(r.listTaskDefinitionFamilies),

		"CreateService":           op(r.createService),
		"UpdateService":           op(r.updateService),
		"DeleteService":           op(r.deleteService),
		"DescribeServices":        op(r.describeServices),
		"ListServices":            op(r.listServices),
		"ListServicesByNamespace": op(r.listServicesByNamespace),

		"ListServiceDeployments":     op(r.listServiceDeployments),
		"DescribeServiceDeployments": op(r.describeServiceDeployments),
		"DescribeServiceRevisions":   op(r.describeServiceRevisions),
		"StopServiceDeployment":      op(r.stopServiceDeployment),

		"RunTask":        op(r.runTask),
		"StopTask":       op(r.stopTask),
		"DescribeTasks":  op(r.describeTasks),
		"ListTasks":      op(r.listTasks),
		"ExecuteCommand": op(r.executeCommand),

		"TagResource":         op(r.tagResource),
		"UntagResource":       op(r.untagResource),
		"ListTagsForResource": op(r.listTagsForResource),
		"ListAccountSettings": op(r.listAccountSettings),
	}
}

// ServeHTTP answers one request of the service.
func (r *Runtime) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	name, _ := strings.CutPrefix(req.Header.Get("X-Amz-Target"), targetPrefix)
	a := r.answer(req.Context(), name, body)
	if !wait(req.Context(), a.delay) || a.drop {
		panic(http.ErrAbortHandler) // the connection ends without an answer
	}
	a.write(w)
}

// answer performs a call and returns its reply.
func (r *Runtime) answer(ctx context.Context, name string, body []byte) reply {
	r.lock()
	defer r.unlock()
	if ctx.Value(consistent{}) != nil {
		defer func(lag time.Duration) { r.reads.Lag = lag }(r.reads.Lag)
		r.reads.Lag = 0
	}
	call := Call{At: r.agenda.now, Operation: name}
	defer func() { r.options.Called(call) }()

	o, known := r.operations[name]
	if !known {
		call.fail(unmodelled("operation %q of Amazon ECS", name))
		return failed(call.failure)
	}
	input, err := o.decode(body)
	if err != nil {
		call.fail(refuse("SerializationException", "%s: %v", name, err))
		return failed(call.failure)
	}
	call.Input = input

	injected := r.fault(name)
	if injected != nil && !injected.Answered {
		call.Fault = true
		call.fail(injected.failure())
		return injected.spoil(reply{})
	}
	a := r.perform(o, input, &call)
	if injected != nil {
		call.Fault = true
		return injected.spoil(a)
	}
	return a
}

func (r *Runtime) perform(o operation, input any, call *Call) reply {
	output, err := o.do(input)
	if err != nil {
		f, ok := errors.AsType[*failure](err)
		if !ok {
			f = &failure{http.StatusInternalServerError, "ServerException", err.Error()}
		}
		call.fail(f)
		return failed(f)
	}
	content, err := encode(output)
	if err != nil {
		f := &failure{http.StatusInternalServerError, "ServerException", err.Error()}
		call.fail(f)
		return failed(f)
	}
	call.Status = http.StatusOK
	return reply{status: http.StatusOK, body: content}
}

// listAccountSettings returns no settings: all have AWS's defaults.
func (r *Runtime) listAccountSettings(*sdk.ListAccountSettingsInput) (*sdk.ListAccountSettingsOutput, error) {
	return &sdk.ListAccountSettingsOutput{}, nil
}

func failed(f *failure) reply {
	body, err := json.Marshal(map[string]string{"__type": f.code, "message": f.message})
	if err != nil {
		panic(fmt.Sprintf("encode two strings: %v", err))
	}
	return reply{status: f.status, code: f.code, body: body}
}
