package scaffold

import (
	"bytes"
	"fmt"
	"go/format"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/specboard/platform/gen/config"
)

// remarks are comments above fields of the written source, by the field's
// name.
var remarks = map[string]string{
	"Account":      "Terraform refuses to work in any other account.",
	"Repository":   "Its workflows build and deploy. docs/github.md says when its ids belong here.",
	"Services":     "One is the default and answers what no route matches. Take Database and\n// Cache away from a service that needs neither.",
	"Secrets":      "Values that a person provides are of kind Provided, with a hint what to store.",
	"Environments": "What differs between the environments stands here and nowhere else.",
}

// written is in every file that Source writes.
const written = "docs/config.md explains every field."

// Source returns gen/config/default.go for a platform, formatted and without
// fields of zero value.
func Source(p config.Platform) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "package config\n\nimport \"time\"\n\n"+
		"// Default is %s, the platform this repository deploys. To add a\n"+
		"// service or an environment, add one literal here and run make gen;\n// "+written+"\nfunc Default() Platform {\nreturn ", p.Name)
	write(&b, reflect.ValueOf(p), true)
	b.WriteString("\n}\n")
	source, err := format.Source(b.Bytes())
	if err != nil {
		return nil, fmt.Errorf("write the platform as Go: %w", err)
	}
	return source, nil
}

// write writes a value as Go source in package config; named says that its
// type is written too.
func write(b *bytes.Buffer, v reflect.Value, named bool) {
	switch v.Kind() {
	case reflect.Pointer:
		b.WriteByte('&')
		write(b, v.Elem(), true)
	case reflect.Struct:
		writeStruct(b, v, named)
	case reflect.Slice:
		writeSlice(b, v)
	case reflect.Map:
		b.WriteString(strings.ReplaceAll(v.Type().String(), "config.", "") + "{")
		for i, key := range slices.SortedFunc(slices.Values(v.MapKeys()), func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) }) {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(strconv.Quote(key.String()) + ": ")
			write(b, v.MapIndex(key), false)
		}
		b.WriteByte('}')
	case reflect.String:
		if kind, ok := v.Interface().(config.SecretKind); ok {
			b.WriteString(kindNames[kind])
			return
		}
		b.WriteString(strconv.Quote(v.String()))
	default:
		if d, ok := v.Interface().(time.Duration); ok {
			writeDuration(b, d)
			return
		}
		fmt.Fprint(b, v.Interface())
	}
}

var kindNames = map[config.SecretKind]string{
	config.Generated: "Generated", config.Provided: "Provided", config.DatabaseCredentials: "DatabaseCredentials",
	config.DatabaseRole: "DatabaseRole",
}

// writeStruct puts a small struct on one line, as a person would.
func writeStruct(b *bytes.Buffer, v reflect.Value, named bool) {
	if named {
		b.WriteString(v.Type().Name())
	}
	separator, end := ", ", "}"
	if !small(v) {
		b.WriteString("{\n")
		separator, end = ",\n", ",\n}"
	} else {
		b.WriteByte('{')
	}
	first := true
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			continue
		}
		if !first {
			b.WriteString(separator)
		}
		name := v.Type().Field(i).Name
		if text := remarks[name]; text != "" && v.Type() == reflect.TypeFor[config.Platform]() {
			if v.Field(i).Kind() == reflect.Slice {
				b.WriteByte('\n')
			}
			b.WriteString("// " + text + "\n")
		}
		first = false
		b.WriteString(name + ": ")
		write(b, v.Field(i), true)
	}
	b.WriteString(end)
}

func writeSlice(b *bytes.Buffer, v reflect.Value) {
	element := v.Type().Elem()
	b.WriteString("[]" + element.Name() + "{")
	lines := element.Kind() == reflect.Struct
	for i := range v.Len() {
		switch {
		case lines:
			b.WriteByte('\n')
		case i > 0:
			b.WriteString(", ")
		}
		write(b, v.Index(i), false)
		if lines {
			b.WriteByte(',')
		}
	}
	if lines {
		b.WriteByte('\n')
	}
	b.WriteByte('}')
}

func writeDuration(b *bytes.Buffer, d time.Duration) {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{time.Hour, "Hour"}, {time.Minute, "Minute"}, {time.Second, "Second"}} {
		if d%unit.size == 0 {
			fmt.Fprintf(b, "%d * time.%s", d/unit.size, unit.name)
			return
		}
	}
	fmt.Fprintf(b, "%d", d)
}

// small reports whether a struct reads well on one line: it has few fields
// that are set, and is a value inside another one.
func small(v reflect.Value) bool {
	whole := []reflect.Type{
		reflect.TypeFor[config.Platform](), reflect.TypeFor[config.Service](), reflect.TypeFor[config.Task](), reflect.TypeFor[config.Environment](),
	}
	if slices.Contains(whole, v.Type()) {
		return false
	}
	fields := 0
	for i := range v.NumField() {
		if !v.Field(i).IsZero() {
			fields++
		}
	}
	return fields <= 5
}
