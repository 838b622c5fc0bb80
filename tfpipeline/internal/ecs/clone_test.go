package ecs

import (
	"reflect"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// added are the fields of a task definition that ECS adds, and nobody can
// register.
var added = []string{
	"Compatibilities", "DeleteRequestedAt", "DeregisteredAt", "RegisteredAt", "RegisteredBy", "RequiresAttributes", "Revision", "Status",
	"TaskDefinitionArn",
}

// A new version of the SDK that knows a new field fails here until it is
// cloned.
func TestCloneLosesNoField(t *testing.T) {
	var full types.TaskDefinition
	fill(t, reflect.ValueOf(&full).Elem(), 0)
	got := reflect.ValueOf(clone(&full)).Elem()
	definition := reflect.ValueOf(full)

	for i := range definition.NumField() {
		field := definition.Type().Field(i)
		if !field.IsExported() || slices.Contains(added, field.Name) {
			continue
		}
		cloned := got.FieldByName(field.Name)
		if !cloned.IsValid() {
			t.Errorf("TaskDefinition.%s can be neither registered nor is it known as ECS's own", field.Name)
			continue
		}
		if cloned.IsZero() || !reflect.DeepEqual(cloned.Interface(), definition.Field(i).Interface()) {
			t.Errorf("%s is lost: %v, want %v", field.Name, cloned.Interface(), definition.Field(i).Interface())
		}
	}
	for i := range got.NumField() {
		field := got.Type().Field(i)
		if !field.IsExported() || field.Name == "Tags" { // tags come apart from the definition
			continue
		}
		if got.Field(i).IsZero() {
			t.Errorf("RegisterTaskDefinitionInput.%s is not set", field.Name)
		}
	}
}

// What is registered shares nothing that Register changes.
func TestCloneLeavesTheTemplateAlone(t *testing.T) {
	template := &types.TaskDefinition{ContainerDefinitions: []types.ContainerDefinition{{Name: new("api"), Image: new("api:template")}}}
	clone(template).ContainerDefinitions[0].Image = new("api@sha256:1")
	if got := *template.ContainerDefinitions[0].Image; got != "api:template" {
		t.Errorf("the template's image is %s", got)
	}
}

// Fill is fill, for tests beside the package.
var Fill = fill

// fill gives everything a value that is not zero.
func fill(t *testing.T, v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), depth+1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0), depth+1)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key, depth+1)
		fill(t, value, depth+1)
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(t, v.Field(i), depth+1)
			}
		}
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Interface: // a union; none is a field of a task definition itself
	default:
		t.Fatalf("nobody fills a %s", v.Type())
	}
}

// Every state that the SDK knows is decided upon; a new one fails here.
func TestEveryDeploymentStatusIsKnown(t *testing.T) {
	var none types.ServiceDeploymentStatus
	known := map[types.ServiceDeploymentStatus]struct {
		state         string
		failed, ended bool
	}{
		"PENDING":              {"pending", false, false},
		"IN_PROGRESS":          {"in progress", false, false},
		"SUCCESSFUL":           {"successful", false, true},
		"STOP_REQUESTED":       {"stopped", true, true},
		"STOPPED":              {"stopped", true, true},
		"ROLLBACK_REQUESTED":   {"rolling back", true, false},
		"ROLLBACK_IN_PROGRESS": {"rolling back", true, false},
		"ROLLBACK_SUCCESSFUL":  {"rolled back", true, true},
		"ROLLBACK_FAILED":      {"rollback failed", true, true},
	}
	for _, status := range none.Values() {
		want, ok := known[status]
		if !ok {
			t.Errorf("ECS has a state %s that nobody has thought of", status)
			continue
		}
		if s := stateOf(status); string(s) != want.state || s.Failed() != want.failed || s.Ended() != want.ended {
			t.Errorf("%s is %q, failed %v, ended %v, want %+v", status, s, s.Failed(), s.Ended(), want)
		}
	}
	if s := stateOf("SOMETHING_NEW"); s.Ended() || s.Failed() {
		t.Errorf("an unknown state is %q: nobody may take it for an end", s)
	}
}
