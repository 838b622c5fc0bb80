package ecs

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"reflect"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/schemas"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/aws/smithy-go/transport/http/protocol/awsjson"
	"github.com/google/go-cmp/cmp"
)

// whole returns the bytes, and fails the test on an error.
func whole(t *testing.T) func([]byte, error) []byte {
	return func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}

// fillIn sets every member of a value, but unions.
func fillIn(r *rand.Rand, v reflect.Value, depth int) {
	if depth > 8 {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillIn(r, v.Elem(), depth+1)
	case reflect.Struct:
		if v.Type() == timeType {
			v.Set(reflect.ValueOf(time.UnixMilli(1_700_000_000_000 + r.Int64N(1e12)).UTC()))
			return
		}
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() && v.Type().Field(i).Name != "ResultMetadata" {
				fillIn(r, f, depth+1)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Interface {
			return // a list of unions
		}
		v.Set(reflect.MakeSlice(v.Type(), 1+r.IntN(2), 2))
		for i := range v.Len() {
			fillIn(r, v.Index(i), depth+1)
		}
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"key": "value", "Other": ""}))
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d ü <&>", r.IntN(1000)))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64:
		v.SetInt(1 + r.Int64N(1000))
	case reflect.Float64:
		v.SetFloat(float64(r.IntN(100)) + 0.5)
	}
}

// What encode writes is what the SDK reads, for every operation's output.
func TestOutputsAreReadByTheSDK(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	protocol := awsjson.New11(schemas.AmazonEC2ContainerServiceV20141113)
	for name, method := range outputs() {
		want := reflect.New(method)
		fillIn(r, want.Elem(), 0)
		body := whole(t)(encode(want.Interface()))
		got := reflect.New(method)
		schema := smithy.NewOperationSchema(schemas.DescribeTasks, schemas.DescribeTasksRequest, schemas.DescribeTasksResponse)
		response := &smithyhttp.Response{Response: &http.Response{StatusCode: 200, Body: io.NopCloser(bytes.NewReader(body))}}
		if err := protocol.DeserializeResponse(context.Background(), schema, sdk.TypeRegistry, response, got.Interface().(smithy.Deserializable)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want.Interface(), got.Interface(), everything); diff != "" {
			t.Errorf("%s (- written, + read):\n%s", name, diff)
		}
	}
}

// What the SDK writes is what decode reads, for every operation's input.
func TestInputsOfTheSDKAreRead(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	protocol := awsjson.New11(schemas.AmazonEC2ContainerServiceV20141113)
	for name, kind := range inputs() {
		want := reflect.New(kind)
		fillIn(r, want.Elem(), 0)
		schema := smithy.NewOperationSchema(schemas.DescribeTasks, schemas.DescribeTasksRequest, schemas.DescribeTasksResponse)
		request := smithyhttp.NewStackRequest().(*smithyhttp.Request)
		if err := protocol.SerializeRequest(context.Background(), schema, want.Interface().(smithy.Serializable), request); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		body := whole(t)(io.ReadAll(request.GetStream()))
		got := reflect.New(kind)
		if err := decode(body, got.Interface()); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want.Interface(), got.Interface(), everything); diff != "" {
			t.Errorf("%s (- written, + read):\n%s", name, diff)
		}
	}
}

// everything compares unexported fields too. It compares times to the millisecond, since
// the SDK rounds them down from a floating-point number.
var everything = cmp.Options{
	cmp.Exporter(func(reflect.Type) bool { return true }),
	cmp.Comparer(func(a, b time.Time) bool { return a.Sub(b).Abs() <= time.Millisecond }),
}

// inputs are the types of the operations that the runtime knows.
func inputs() map[string]reflect.Type { return shapesOf(1, 0) }

func outputs() map[string]reflect.Type { return shapesOf(0, 1) }

// shapesOf reads the SDK's client: its methods take inputs and give outputs.
func shapesOf(in, out int) map[string]reflect.Type {
	known := New(Options{}).operations
	client := reflect.TypeFor[*sdk.Client]()
	found := map[string]reflect.Type{}
	for i := range client.NumMethod() {
		m := client.Method(i)
		if _, ok := known[m.Name]; !ok {
			continue
		}
		if in == 1 {
			found[m.Name] = m.Type.In(2).Elem()
		} else if out == 1 {
			found[m.Name] = m.Type.Out(0).Elem()
		}
	}
	if len(found) != len(known) {
		panic("an operation is none of the SDK's")
	}
	return found
}

func TestWhatIsZeroIsWritten(t *testing.T) {
	body := whole(t)(encode(&sdk.DescribeServicesOutput{}))
	if string(body) != `{}` {
		t.Errorf("empty output: %s", body)
	}
	type shape struct {
		Count int32
		Flag  bool
		Name  *string
		Text  string
		List  []string
		At    *time.Time
	}
	body = whole(t)(encode(&shape{Name: new(""), List: []string{""}, At: new(time.UnixMilli(1500))}))
	if string(body) != `{"at":1.500,"count":0,"flag":false,"list":[""],"name":""}` {
		t.Errorf("zeros: %s", body)
	}
}
