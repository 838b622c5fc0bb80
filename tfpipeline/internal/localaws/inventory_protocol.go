package localaws

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/beevik/etree"

	"github.com/specboard/platform/tfpipeline/internal/endpoint"
)

// listQuery lists by the Query protocol. Parameters may follow the operation:
// "ListPolicies&Scope=Local". where is the list and the name in each of its
// elements: "vpcSet/vpcId".
func listQuery(kind, service, version, operation, where string, skip func(*etree.Element) bool) listing {
	list, name, _ := strings.Cut(where, "/")
	return listing{kind: kind, service: service,
		request: func(r *http.Request, from pageMark) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			body := "Action=" + operation + "&Version=" + version
			if from.name != "" {
				body += "&" + from.name + "=" + url.QueryEscape(from.value)
			}
			endpoint.SetBody(r, []byte(body))
		},
		names: func(rep *endpoint.Reply) ([]string, pageMark, error) {
			root, err := endpoint.ParseXML(rep.Body)
			if err != nil {
				return nil, pageMark{}, err
			}
			var names []string
			if lists := endpoint.Every(root, list); len(lists) > 0 {
				for _, element := range lists[0].ChildElements() {
					if skip == nil || !skip(element) {
						names = append(names, endpoint.Text(element, name))
					}
				}
			}
			for _, mark := range []string{"nextToken", "NextToken", "NextMarker", "Marker"} {
				if m := endpoint.Every(root, mark); len(m) > 0 && m[0].Text() != "" {
					// EC2's answers begin parameters in lower case, its
					// requests in upper case.
					parameter := strings.TrimPrefix(strings.ToUpper(mark[:1])+mark[1:], "Next")
					if parameter == "Token" {
						parameter = "NextToken"
					}
					return names, pageMark{parameter, m[0].Text()}, nil
				}
			}
			return names, pageMark{}, nil
		},
	}
}

// listREST lists by a GET request.
func listREST(kind, service, path, element, name string, skip func(*etree.Element) bool) listing {
	return listing{kind: kind, service: service,
		request: func(r *http.Request, _ pageMark) { r.Method, r.URL.Path = http.MethodGet, path },
		names: func(rep *endpoint.Reply) ([]string, pageMark, error) {
			root, err := endpoint.ParseXML(rep.Body)
			var names []string
			for _, n := range endpoint.Every(root, element) {
				if skip == nil || !skip(n) {
					names = append(names, endpoint.Text(n, name))
				}
			}
			return names, pageMark{}, err
		},
	}
}

// listJSON lists by the JSON protocol. where is the key of a list of objects
// and the key of the name in each, or the key of a list of names.
func listJSON(kind, service, target, body, where string) listing {
	list, name, objects := strings.Cut(where, "/")
	return listing{kind: kind, service: service,
		request: func(r *http.Request, from pageMark) {
			r.Header.Set("Content-Type", "application/x-amz-json-1.1")
			r.Header.Set("X-Amz-Target", target)
			if from.name != "" {
				mark := fmt.Sprintf("%q:%q", from.name, from.value)
				if body != "{}" {
					mark += ","
				}
				endpoint.SetBody(r, []byte("{"+mark+body[1:]))
				return
			}
			endpoint.SetBody(r, []byte(body))
		},
		names: func(rep *endpoint.Reply) ([]string, pageMark, error) {
			var out map[string]json.RawMessage
			if err := json.Unmarshal(rep.Body, &out); err != nil {
				return nil, pageMark{}, err
			}
			var next pageMark
			for _, key := range slices.Sorted(maps.Keys(out)) {
				var value *string
				if strings.EqualFold(key, "nextToken") && json.Unmarshal(out[key], &value) == nil && value != nil {
					next = pageMark{key, *value}
				}
			}
			names := []string{}
			if !objects {
				err := endpoint.DecodeJSON(out[list], &names)
				return names, next, err
			}
			var elements []map[string]any
			err := endpoint.DecodeJSON(out[list], &elements)
			for _, element := range elements {
				names = append(names, fmt.Sprint(element[name]))
			}
			return names, next, err
		},
	}
}

// hostedZones lists zones, and the records that a client has added to them.
func hostedZones() listing {
	l := listREST("hosted zone", "route53", "/2013-04-01/hostedzone", "HostedZone", "Id", nil)
	l.children = func(id string) listing {
		path := "/2013-04-01/hostedzone/" + strings.TrimPrefix(id, "/hostedzone/") + "/rrset"
		return listREST("record", "route53", path, "ResourceRecordSet", "Name", func(n *etree.Element) bool {
			return endpoint.Text(n, "Type") == "NS" || endpoint.Text(n, "Type") == "SOA"
		})
	}
	return l
}

func isDefault(child string) func(*etree.Element) bool { return named(child, "true") }

func named(child, text string) func(*etree.Element) bool {
	return func(n *etree.Element) bool { return endpoint.Text(n, child) == text }
}

func prefixed(child, prefix string) func(*etree.Element) bool {
	return func(n *etree.Element) bool { return strings.HasPrefix(endpoint.Text(n, child), prefix) }
}

// isMain reports whether a route table was created with its VPC.
func isMain(n *etree.Element) bool {
	return slices.ContainsFunc(endpoint.Every(n.SelectElement("associationSet"), "main"), func(m *etree.Element) bool { return m.Text() == "true" })
}
