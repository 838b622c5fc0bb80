package prove

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Break is one thing that a running release may depend on and that is no
// longer as it was.
type Break struct {
	// Object is the relation, column, function or value, as users write it.
	Object string `json:"object"`
	Kind   Kind   `json:"kind"`
	What   string `json:"what"`
}

// Kind says how a promise was broken.
type Kind string

const (
	Dropped  Kind = "dropped"
	Renamed  Kind = "renamed"
	Narrowed Kind = "narrowed"
	Required Kind = "newly required"
	// Whether Unique, Checked or Loosened breaks a release depends on the rows that it
	// writes or reads.
	Unique   Kind = "newly unique"
	Checked  Kind = "newly checked"
	Loosened Kind = "newly nullable"
)

// Certain reports whether any release that uses the object breaks, whatever rows it
// writes. The other kinds are judged by a person, or by the release's own queries.
func (b Break) Certain() bool {
	switch b.Kind {
	case Dropped, Renamed, Narrowed:
		return true
	case Required:
		return strings.HasPrefix(b.What, "every INSERT")
	default:
		return false
	}
}

func (b Break) String() string { return fmt.Sprintf("%s: %s: %s", b.Object, b.Kind, b.What) }

// Difference returns what after no longer promises of before. What is new is
// nobody's loss.
func Difference(before, after *promises) []Break {
	d := &difference{before: before, after: after, names: map[string]uint32{}}
	for oid, r := range after.relations {
		d.names[r.Name] = oid
	}
	d.relations()
	d.columns()
	d.constraints()
	d.others()
	d.access()
	d.sequences()
	slices.SortFunc(d.list, func(a, b Break) int {
		return cmp.Or(cmp.Compare(a.Object, b.Object), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.What, b.What))
	})
	return slices.Compact(d.list)
}

type difference struct {
	before, after *promises
	// names finds which object has a name afterwards.
	names map[string]uint32
	list  []Break
}

func (d *difference) add(object string, kind Kind, format string, args ...any) {
	d.list = append(d.list, Break{object, kind, fmt.Sprintf(format, args...)})
}

var relationKinds = map[string]string{"r": "table", "p": "table", "v": "view", "m": "materialized view", "f": "foreign table", "S": "sequence"}

// stands returns what a release finds under a relation's old name: the relation
// itself, or what took its place, such as a view.
func (d *difference) stands(oid uint32) (uint32, bool) {
	now, ok := d.names[d.before.relations[oid].Name]
	return now, ok
}

func (d *difference) relations() {
	for oid, was := range d.before.relations {
		if _, ok := d.stands(oid); ok {
			continue
		}
		if is, ok := d.after.relations[oid]; ok {
			d.add(was.Name, Renamed, "the %s is now %s", relationKinds[was.Kind], is.Name)
			continue
		}
		d.add(was.Name, Dropped, "the %s is gone", relationKinds[was.Kind])
	}
}

func (d *difference) columns() {
	byName := map[uint32]map[string]column{}
	for at, c := range d.after.columns {
		if byName[at.Relation] == nil {
			byName[at.Relation] = map[string]column{}
		}
		byName[at.Relation][c.Name] = c
	}
	for at, was := range d.before.columns {
		now, ok := d.stands(at.Relation)
		if !ok {
			continue // said of the whole relation
		}
		object := d.before.relations[at.Relation].Name + "." + was.Name
		is, ok := byName[now][was.Name]
		if !ok {
			if moved, still := d.after.columns[at]; still {
				d.add(object, Renamed, "the column is now %s", moved.Name)
			} else {
				d.add(object, Dropped, "the column is gone")
			}
			continue
		}
		d.column(object, was, is, now == at.Relation)
	}
	for at, is := range d.after.columns {
		if _, old := d.before.columns[at]; old {
			continue
		}
		was, old := d.before.relations[at.Relation]
		if table := was.Kind == "r" || was.Kind == "p"; old && table && is.Required && !is.Defaulted && is.Identity == "" {
			d.add(was.Name+"."+is.Name, Required, "every INSERT that does not know the column fails")
		}
	}
}

// column compares one column; same is false where a view took a table's place.
func (d *difference) column(object string, was, is column, same bool) {
	if was.Type != is.Type && !wider(was, is) {
		d.add(object, Narrowed, "the type is %s and was %s", is.Type, was.Type)
	}
	if !same {
		return
	}
	switch {
	case is.Required && !was.Required:
		d.add(object, Required, "a NULL is refused")
	case was.Required && !is.Required:
		d.add(object, Loosened, "a release that never met a NULL may meet one")
	}
	if is.Required && was.Defaulted && !is.Defaulted && is.Identity == "" || is.Required && was.Identity != "" && is.Identity == "" && !is.Defaulted {
		d.add(object, Required, "every INSERT that leaves it to its default fails")
	}
	if is.Identity == "a" && was.Identity != "a" {
		d.add(object, Narrowed, "every INSERT that gives it a value fails: it is GENERATED ALWAYS")
	}
}

// wider reports whether every value of the old type is one of the new type, and
// is written in the same way.
func wider(was, is column) bool {
	text := func(c column) bool { return c.Base == "text" || c.Base == "character varying" }
	switch {
	case text(was) && text(is):
		return is.Modifier < 0 || was.Modifier >= 0 && is.Modifier >= was.Modifier
	case was.Base == "numeric" && is.Base == "numeric":
		if is.Modifier < 0 {
			return true
		}
		// Precision stands above the scale: (precision << 16 | scale) + 4.
		scale := func(m int32) int32 { return (m - 4) & 0xFFFF }
		return was.Modifier >= 0 && scale(was.Modifier) == scale(is.Modifier) && is.Modifier >= was.Modifier
	case was.Base == is.Base:
		return is.Modifier < 0 || was.Modifier >= 0 && is.Modifier >= was.Modifier
	}
	return false
}

func (d *difference) constraints() {
	held := func(list map[uint32]unique, u unique) bool {
		for _, other := range list {
			if other == u {
				return true
			}
		}
		return false
	}
	for _, u := range d.after.uniques {
		if r, old := d.before.relations[u.Relation]; old && !held(d.before.uniques, u) {
			d.add(r.Name, Unique, "rows that agree in%s are refused", strings.TrimPrefix(u.What, " USING btree"))
		}
	}
	for _, u := range d.before.uniques {
		if r, still := d.after.relations[u.Relation]; still && !held(d.after.uniques, u) {
			d.add(r.Name, Dropped, "nothing is unique in%s, which ON CONFLICT may name", strings.TrimPrefix(u.What, " USING btree"))
		}
	}
	for oid, k := range d.after.checks {
		r, old := d.before.relations[k.Relation]
		if _, had := d.before.checks[oid]; old && !had {
			d.add(r.Name, Checked, "%s refuses rows: %s", k.Name, k.Definition)
		}
	}
}

func (d *difference) others() {
	for oid, was := range d.before.functions {
		d.function(oid, was)
	}
	named := map[string]bool{}
	for _, l := range d.after.labels {
		named[l.Name] = true
	}
	for oid, was := range d.before.labels {
		switch is, ok := d.after.labels[oid]; {
		case named[was.Name]: // perhaps that of another type, which took the name
		case !ok:
			d.add(was.Name, Dropped, "the value is gone")
		case is != was:
			d.add(was.Name, Renamed, "the value is now %s", is.Name)
		}
	}
	for oid, was := range d.before.triggers {
		r, still := d.after.relations[was.Relation]
		if _, ok := d.after.triggers[oid]; still && !ok && !d.retriggered(was) {
			d.add(r.Name, Dropped, "trigger %s is gone, and what it did for a release that relies on it", was.Name)
		}
	}
}

func (d *difference) function(oid uint32, was function) {
	returns := ""
	for _, is := range d.after.functions {
		if is.covers(was) {
			return
		}
		if is.Signature == was.Signature {
			returns = is.Returns
		}
	}
	switch is, ok := d.after.functions[oid]; {
	case returns != "":
		d.add(was.Signature, Narrowed, "it returns %s and returned %s", returns, was.Returns)
	case ok && is.Signature != was.Signature:
		d.add(was.Signature, Renamed, "the function is now %s", is.Signature)
	default:
		d.add(was.Signature, Dropped, "the function is gone")
	}
}

// covers reports whether whatever calls the old function can call this one.
func (f function) covers(was function) bool {
	return f.Name == was.Name && f.Returns == was.Returns && len(f.Args) >= len(was.Args) && slices.Equal(f.Args[:len(was.Args)], was.Args) &&
		len(f.Args)-f.Defaults <= len(was.Args)-was.Defaults && (len(f.Args) > len(was.Args) || f.Signature == was.Signature)
}

// retriggered reports whether a trigger was dropped to be made anew.
func (d *difference) retriggered(was trigger) bool {
	for _, is := range d.after.triggers {
		if is == was {
			return true
		}
	}
	return false
}

// access compares who owns what, who may do what, and who sees which rows.
func (d *difference) access() {
	for what, was := range d.before.owners {
		if is, ok := d.after.owners[what]; ok && is != was {
			d.add(what, Narrowed, "it belongs to %s, and %s loses the rights of an owner", is, was)
		}
	}
	for what, was := range d.before.rights {
		if _, still := d.after.owners[what]; !still {
			continue // said of the object
		}
		for right := range was {
			role, may, _ := strings.Cut(right, " ")
			if is := d.after.rights[what]; !is[right] && !is["PUBLIC "+may] && d.after.owners[what] != role {
				d.add(what, Dropped, "%s has no right to %s any more", role, may)
			}
		}
	}
	for table, from := range d.after.hidden {
		if was, ok := d.before.hidden[table]; was != from && (ok || d.before.owners[table] != "") && (!ok || from == "everybody") {
			d.add(table, Narrowed, "rows that no policy lets through are hidden from %s", from)
		}
	}
	for at, was := range d.before.policies {
		is, still := d.after.policies[at]
		_, hides := d.after.hidden[at[0]]
		switch {
		case !hides || still && is.covers(was):
		case still:
			d.add(at[0], Narrowed, "policy %s lets through other rows, or other roles, than before", at[1])
		case was.Permissive && !d.covered(at[0], was):
			d.add(at[0], Dropped, "policy %s is gone, and with it the rows that it let through", at[1])
		}
	}
	for at, is := range d.after.policies {
		_, hides := d.before.hidden[at[0]]
		if _, had := d.before.policies[at]; hides && !had && !is.Permissive && (!always(is.Using) || !always(is.With)) {
			d.add(at[0], Narrowed, "policy %s takes away the rows that it does not let through", at[1])
		}
	}
}

func always(condition string) bool { return condition == "" || condition == "true" }

// covers reports whether a policy lets every row through that another one did, as far
// as that can be told.
func (p policy) covers(was policy) bool {
	return (p.Permissive || !was.Permissive) && (p.Command == was.Command || p.Permissive && p.Command == "*") && (p.Roles == was.Roles || p.Permissive && p.Roles == "PUBLIC") &&
		(p.Using == was.Using || always(p.Using)) && (p.With == was.With || always(p.With))
}

// covered reports whether any policy of a table covers another one.
func (d *difference) covered(table string, was policy) bool {
	for at, is := range d.after.policies {
		if at[0] == table && is.Permissive && is.covers(was) {
			return true
		}
	}
	return false
}

// sequences compares the next numbers.
func (d *difference) sequences() {
	for name, was := range d.before.sequences {
		is, ok := d.after.sequences[name]
		switch {
		case !ok: // said of the relation
		case (is.Next-was.Next)*was.Increment < 0 || is.Increment*was.Increment < 0:
			d.add(name, Narrowed, "it gives numbers again that it gave before: the next one is %d and was %d", is.Next, was.Next)
		case is.Cycle && !was.Cycle:
			d.add(name, Narrowed, "it begins anew at its end, with numbers that it gave before")
		}
	}
}
