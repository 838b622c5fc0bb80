package iam

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Call is an API request with what IAM's questions depend on.
type Call struct {
	// Service is the name that the request was signed for, such as "ec2" or
	// "monitoring". Operation is "" if neither the request nor the table of
	// routes names it.
	Service, Operation string
	// Parameters are the request's values by their path, without the numbers
	// of lists: "TagSpecification.Tag.Key", "networkConfiguration.subnets".
	Parameters map[string][]string
	// Tags are the tags that the request sets on what it creates or tags.
	Tags map[string]string
	// TagKeys are the keys of Tags and of tags to be removed.
	TagKeys []string
}

// Read reads a request whose body has been read. Requests to S3, Route 53, EventBridge
// Scheduler and SES's second version express the operation by method and path.
func Read(service, operation string, r *http.Request, body []byte) Call {
	c := Call{Service: service, Operation: operation, Parameters: map[string][]string{}, Tags: map[string]string{}}
	if service == "s3" || service == "route53" {
		c.route(r)
		c.xml(body)
	} else if service == "scheduler" || service == "ses" && r.URL.Path != "/" {
		c.route(r)
		c.document(body)
	} else if form, err := url.ParseQuery(string(body)); r.Header.Get("X-Amz-Target") == "" && err == nil && form.Get("Action") != "" {
		c.form(form)
	} else {
		c.document(body)
	}
	c.TagKeys = append(c.TagKeys, slices.Concat(c.Parameters["TagKeys.member"], c.Parameters["TagKeys"], c.Parameters["tagKeys"])...)
	for k := range c.Tags {
		c.TagKeys = append(c.TagKeys, k)
	}
	slices.Sort(c.TagKeys)
	return c
}

func (c *Call) add(path, value string) {
	c.Parameters[path] = append(c.Parameters[path], value)
}

// form reads the Query protocol: Tags.Tag.1.Key=…
func (c *Call) form(form url.Values) {
	keys := map[string]string{}
	for name, values := range form {
		var path []string
		for part := range strings.SplitSeq(name, ".") {
			if _, err := strconv.Atoi(part); err != nil {
				path = append(path, part)
			}
		}
		for _, v := range values {
			c.add(strings.Join(path, "."), v)
		}
		if owner, ok := strings.CutSuffix(name, ".Key"); ok && strings.Contains(name, "Tag") {
			keys[owner] = values[0]
		}
	}
	for owner, key := range keys {
		c.Tags[key] = form.Get(owner + ".Value")
	}
	for path := range c.Parameters {
		slices.Sort(c.Parameters[path])
	}
}

func (c *Call) document(body []byte) {
	var v any
	if json.Unmarshal(body, &v) == nil { // what cannot be read has no parameters
		c.json("", v)
	}
}

// json reads a JSON document. Tags are lists of keys with values, or maps.
func (c *Call) json(path string, v any) {
	join := func(name string) string { return strings.TrimPrefix(path+"."+name, ".") }
	switch v := v.(type) {
	case map[string]any:
		key, isTag := first(v, "key", "Key", "tagKey", "TagKey").(string)
		if isTag && strings.HasSuffix(strings.ToLower(path), "tags") {
			value, _ := first(v, "value", "Value").(string)
			c.Tags[key] = value
		}
		for name, e := range v {
			if value, ok := e.(string); ok && strings.EqualFold(path, "tags") && !isTag {
				c.Tags[name] = value
			}
			c.json(join(name), e)
		}
	case []any:
		for _, e := range v {
			c.json(path, e)
		}
	case string:
		c.add(path, v)
	case bool:
		c.add(path, strconv.FormatBool(v))
	case float64:
		c.add(path, strconv.FormatFloat(v, 'f', -1, 64))
	}
}

func first(m map[string]any, names ...string) any {
	for _, n := range names {
		if v, ok := m[n]; ok {
			return v
		}
	}
	return nil
}

// xml reads a document such as Route 53's.
func (c *Call) xml(body []byte) {
	decode := xml.NewDecoder(bytes.NewReader(body))
	var path []string
	for {
		token, err := decode.Token()
		if errors.Is(err, io.EOF) || err != nil {
			return // what cannot be read has no parameters
		}
		switch t := token.(type) {
		case xml.StartElement:
			path = append(path, t.Name.Local)
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			if text := strings.TrimSpace(string(t)); text != "" && len(path) > 1 {
				c.add(strings.Join(path[1:], "."), text)
			}
		}
	}
}

// route finds the operation by method, path and query.
func (c *Call) route(r *http.Request) {
	query := r.URL.Query()
	for _, row := range table().routes {
		if row.service != c.Service || row.method != r.Method {
			continue
		}
		values, ok := row.match(r.URL.Path, query)
		if !ok {
			continue
		}
		c.Operation = row.operation
		for n, v := range values {
			c.add(n, v)
		}
		for _, n := range []string{"prefix", "versionId", "name", "dnsname", "groupName", "ResourceArn", "TagKeys"} {
			if query.Has(n) {
				c.add(n, query.Get(n))
			}
		}
		for _, n := range []string{"If-None-Match", "If-Match"} {
			if v := r.Header.Get(n); v != "" {
				c.add(n, v)
			}
		}
		return
	}
}
