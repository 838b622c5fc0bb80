package catalog

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

func relationKey(n Name) string { return "relation " + n.String() }

// ObjectKey is an object's key in Owners and Rights; relations share theirs.
func (s *Schema) ObjectKey(kind pg.ObjectType, object *pg.Node) string {
	if v := object.GetRangeVar(); v != nil {
		return relationKey(s.Resolve(rangeParts(v)))
	}
	parts := ObjectParts(object)
	if _, ok := relationKinds[kind]; ok {
		return relationKey(s.Resolve(parts))
	}
	switch kind {
	case pg.ObjectType_OBJECT_PROCEDURE, pg.ObjectType_OBJECT_ROUTINE, pg.ObjectType_OBJECT_AGGREGATE:
		kind = pg.ObjectType_OBJECT_FUNCTION
	case pg.ObjectType_OBJECT_DOMAIN:
		kind = pg.ObjectType_OBJECT_TYPE
	case pg.ObjectType_OBJECT_SCHEMA:
		return "schema " + strings.Join(parts, "")
	}
	return strings.ToLower(strings.TrimPrefix(kind.String(), "OBJECT_")) + " " + s.ObjectName(parts).String()
}

func (s *Schema) forgetRights(key string) {
	delete(s.Owners, key)
	delete(s.Rights, key)
}

func (s *Schema) grant(n *pg.GrantStmt) {
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
	for _, key := range keys {
		for _, g := range n.GetGrantees() {
			role := g.GetRoleSpec().GetRolename()
			if role == "" {
				role = "PUBLIC"
			}
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

func rangeParts(v *pg.RangeVar) []string {
	if v.GetSchemaname() != "" {
		return []string{v.GetSchemaname(), v.GetRelname()}
	}
	return []string{v.GetRelname()}
}
