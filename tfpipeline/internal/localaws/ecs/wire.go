package ecs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"
	"unicode"
)

// The protocol is AWS JSON 1.1 (https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html).
// The SDK's own types are what goes over the wire: a member is called as the
// field is, with a small first letter; times are seconds since 1970.

var timeType = reflect.TypeFor[time.Time]()

// encode writes an SDK output. Like AWS it always writes numbers and booleans,
// and leaves out what is nil or "".
func encode(v any) ([]byte, error) {
	tree, _ := plain(reflect.ValueOf(v))
	return json.Marshal(tree)
}

// plain turns a value into maps, slices and scalars; ok is false for a value that is
// left out.
func plain(v reflect.Value) (tree any, ok bool) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil, false
		}
		tree, ok = plain(v.Elem())
		if !ok && v.Elem().Kind() == reflect.String {
			return "", true // a string that is set, and empty
		}
		return tree, ok
	case reflect.Struct:
		if v.Type() == timeType {
			return seconds(v.Interface().(time.Time)), true
		}
		out := map[string]any{}
		for f, field := range v.Fields() {
			if !f.IsExported() || f.Name == "ResultMetadata" {
				continue
			}
			if member, ok := plain(field); ok {
				out[memberName(f.Name)] = member
			}
		}
		return out, true
	case reflect.Slice:
		if v.IsNil() {
			return nil, false
		}
		out := make([]any, v.Len())
		for i := range out {
			out[i], _ = plain(v.Index(i))
			if out[i] == nil && v.Index(i).Kind() == reflect.String {
				out[i] = ""
			}
		}
		return out, true
	case reflect.Map:
		if v.IsNil() {
			return nil, false
		}
		out := map[string]any{}
		for _, k := range v.MapKeys() {
			out[k.String()] = v.MapIndex(k).Interface()
		}
		return out, true
	case reflect.String:
		return v.String(), v.String() != ""
	}
	return v.Interface(), true
}

// seconds writes a time with AWS's precision: milliseconds.
func seconds(t time.Time) json.Number {
	return json.Number(strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64))
}

func memberName(field string) string {
	// The one name that differs in more than its first letter.
	if field == "FsxWindowsFileServerVolumeConfiguration" || field == "FSxWindowsFileServerVolumeConfiguration" {
		return "fsxWindowsFileServerVolumeConfiguration"
	}
	return string(unicode.ToLower(rune(field[0]))) + field[1:]
}

// decode reads an SDK input. A field that the input does not have is an error,
// so that a misspelt one is noticed.
func decode(body []byte, into any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return err
	}
	return fill(reflect.ValueOf(into).Elem(), tree, "")
}

func fill(v reflect.Value, tree any, path string) error {
	if tree == nil {
		return nil
	}
	mismatch := func() error { return fmt.Errorf("%s: %v is not a %s", path, tree, v.Type()) }
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return fill(v.Elem(), tree, path)
	case reflect.Struct:
		if v.Type() == timeType {
			n, ok := tree.(json.Number)
			if !ok {
				return mismatch()
			}
			s, err := n.Float64()
			whole, part := math.Modf(s)
			v.Set(reflect.ValueOf(time.Unix(int64(whole), int64(math.Round(part*1000))*1e6)))
			return err
		}
		members, ok := tree.(map[string]any)
		if !ok {
			return mismatch()
		}
		for name, member := range members {
			f := v.FieldByNameFunc(func(field string) bool { return memberName(field) == name })
			if !f.IsValid() || !f.CanSet() {
				return fmt.Errorf("%s.%s: no such member", path, name)
			}
			if err := fill(f, member, path+"."+name); err != nil {
				return err
			}
		}
		return nil
	case reflect.Slice:
		items, ok := tree.([]any)
		if !ok {
			return mismatch()
		}
		v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
		for i, item := range items {
			if err := fill(v.Index(i), item, fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
		return nil
	case reflect.Map:
		items, ok := tree.(map[string]any)
		if !ok {
			return mismatch()
		}
		v.Set(reflect.MakeMap(v.Type()))
		for key, item := range items {
			value := reflect.New(v.Type().Elem()).Elem()
			if err := fill(value, item, path+"."+key); err != nil {
				return err
			}
			v.SetMapIndex(reflect.ValueOf(key), value)
		}
		return nil
	case reflect.Interface:
		return fmt.Errorf("%s: is not modelled", path)
	}
	return fillScalar(v, tree, mismatch)
}

func fillScalar(v reflect.Value, tree any, mismatch func() error) error {
	switch x := tree.(type) {
	case string:
		if v.Kind() == reflect.String {
			v.SetString(x)
			return nil
		}
	case bool:
		if v.Kind() == reflect.Bool {
			v.SetBool(x)
			return nil
		}
	case json.Number:
		if v.CanInt() {
			n, err := x.Int64()
			if err != nil || v.OverflowInt(n) {
				return mismatch()
			}
			v.SetInt(n)
			return nil
		}
		if v.CanFloat() {
			n, err := x.Float64()
			v.SetFloat(n)
			return err
		}
	}
	return mismatch()
}
