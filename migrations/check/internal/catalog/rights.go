package catalog

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

func relationKey(n Name) string { return "relation " + n.String() }

// ObjectKey is an object's key in Owners and Rights; relations share theirs.
func (s *Schema) ObjectKey(kind pg.ObjectType, object *pg.Node) string {
	if v := object.GetRangeVar(); v != nil {
		return relationKey(s.Resolve(RangeParts(v)))
	}
	parts := ObjectParts(object)
	if _, ok := relationKinds[kind]; ok {
		return relationKey(s.Resolve(parts))
	}
	switch kind {
	case pg.ObjectType_OBJECT_EXTENSION:
		return "extension " + strings.Join(parts, "")
	case pg.ObjectType_OBJECT_RULE:
		if len(parts) > 1 {
			return "rule " + s.Resolve(parts[:len(parts)-1]).String() + "." + Last(parts)
		}
	case pg.ObjectType_OBJECT_CAST:
		if types := object.GetList().GetItems(); len(types) == 2 {
			return s.castKey(types[0].GetTypeName(), types[1].GetTypeName())
		}
	case pg.ObjectType_OBJECT_PROCEDURE, pg.ObjectType_OBJECT_ROUTINE:
		kind = pg.ObjectType_OBJECT_FUNCTION
	case pg.ObjectType_OBJECT_DOMAIN:
		kind = pg.ObjectType_OBJECT_TYPE
	case pg.ObjectType_OBJECT_SCHEMA:
		return "schema " + strings.Join(parts, "")
	}
	return strings.ToLower(strings.TrimPrefix(kind.String(), "OBJECT_")) + " " + s.ObjectName(parts).String()
}

func (s *Schema) otherKey(kind pg.ObjectType, name []*pg.Node) string {
	return s.ObjectKey(kind, &pg.Node{Node: &pg.Node_List{List: &pg.List{Items: name}}})
}

func (s *Schema) castKey(from, to *pg.TypeName) string {
	return "cast " + s.ResolveType(from).String() + " " + s.ResolveType(to).String()
}

// Roles returns the names in a list of roles; an entry without a name is PUBLIC.
func Roles(list []*pg.Node) []string {
	var names []string
	for _, n := range list {
		name := n.GetRoleSpec().GetRolename()
		if name == "" {
			name = "PUBLIC"
		}
		names = append(names, name)
	}
	return names
}

func (s change) forgetRights(key string) {
	delete(s.Owners, key)
	delete(s.Rights, key)
}

// GrantKeys are the keys of the objects that a GRANT or REVOKE names.
func (s *Schema) GrantKeys(n *pg.GrantStmt) []string {
	var keys []string
	for _, o := range n.GetObjects() {
		if n.GetTargtype() == pg.GrantTargetType_ACL_TARGET_ALL_IN_SCHEMA {
			for _, r := range s.In(o.GetString_().GetSval()) {
				keys = append(keys, relationKey(r.Name))
			}
			continue
		}
		keys = append(keys, s.ObjectKey(n.GetObjtype(), o))
	}
	return keys
}

func (s change) grant(n *pg.GrantStmt) {
	for _, key := range s.GrantKeys(n) {
		for _, role := range Roles(n.GetGrantees()) {
			all := len(n.GetPrivileges()) == 0
			if !n.GetIsGrant() && all {
				for right := range s.Rights[key] {
					if strings.HasPrefix(right, role+" ") {
						delete(s.Rights[key], right)
					}
				}
			}
			rights := []string{"all"}
			if !all {
				rights = nil
			}
			for _, p := range n.GetPrivileges() {
				rights = append(rights, strings.TrimSpace(p.GetAccessPriv().GetPrivName()+" "+strings.Join(Strings(p.GetAccessPriv().GetCols()), ", ")))
			}
			for _, right := range rights {
				if !n.GetIsGrant() {
					delete(s.Rights[key], role+" "+right)
					continue
				}
				if s.Rights[key] == nil {
					s.Rights[key] = map[string]bool{}
				}
				s.Rights[key][role+" "+right] = true
			}
		}
	}
}

// RangeParts returns the parts of a relation's name.
func RangeParts(v *pg.RangeVar) []string {
	if v.GetSchemaname() != "" {
		return []string{v.GetSchemaname(), v.GetRelname()}
	}
	return []string{v.GetRelname()}
}
