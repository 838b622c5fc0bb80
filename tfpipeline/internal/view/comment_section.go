package view

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/specboard/platform/gen/config"
	"github.com/specboard/platform/tfpipeline/internal/plan"
)

// parts are the changes of a plan by how much a reviewer needs to see of them.
// Each change is in one part.
type parts struct {
	// refused are those that the guard does not let through, weighty those that
	// end or disturb what holds data or serves traffic.
	refused, weighty []plan.Change
	// ended are all others that are destroyed, including those of removed modules.
	ended, changed, created []plan.Change
	// gone counts, by removed module, what is deleted with it; bearing are the types
	// among that which serve traffic.
	gone    map[string]int
	bearing map[string][]string
}

// parts sorts the changes of a section.
func (s Section) parts() parts {
	p := parts{gone: map[string]int{}, bearing: map[string][]string{}}
	for _, c := range s.Plan.Changes {
		module := plan.Module(c.Address)
		bears := plan.Bears(c.Type)
		switch {
		case c.Action == plan.Read:
		case slices.ContainsFunc(s.Refused, func(v plan.Violation) bool { return isOf(v, c) }):
			p.refused = append(p.refused, c)
		case c.Action == plan.Delete && slices.Contains(s.Plan.Gone, module) && !plan.HoldsData(c.Type):
			p.gone[module]++
			if bears != "" && !slices.Contains(p.bearing[module], c.Type) {
				p.bearing[module] = append(p.bearing[module], c.Type)
			}
			p.ended = append(p.ended, c)
		case c.Action.Destructive() && bears != "", c.Action == plan.Update && c.Effect() != "":
			p.weighty = append(p.weighty, c)
		case c.Action.Destructive():
			p.ended = append(p.ended, c)
		case c.Action == plan.Create:
			p.created = append(p.created, c)
		default:
			p.changed = append(p.changed, c)
		}
	}
	return p
}

// isOf reports whether a violation is about a change.
func isOf(v plan.Violation, c plan.Change) bool {
	address, _, _ := strings.Cut(c.Address, " (deposed")
	return v.Address == address
}

// body is the plan of a section, without its title: what cannot be taken back
// stands first and in the open, the rest unfolds. limit bounds the destroyed
// resources that are named, most the bytes of each list.
func (s Section) body(level detail, limit, most int) string {
	var b strings.Builder
	p := s.parts()
	for _, v := range s.Refused {
		fmt.Fprintf(&b, "- ⛔ %s %s", code(v.Address), v.What)
		i := slices.IndexFunc(p.refused, func(c plan.Change) bool { return isOf(v, c) })
		if i >= 0 {
			c := p.refused[i]
			p.refused = slices.Delete(p.refused, i, i+1) // only once, even if more about it is refused
			bullet(&b, c, level)
		} else {
			b.WriteByte('\n')
		}
	}
	room := limit
	for _, c := range p.weighty[:min(len(p.weighty), room)] {
		if b.Len() > most {
			break
		}
		fmt.Fprintf(&b, "- **%s** %s", verb(c.Action), code(c.Address))
		if c.Action.Destructive() {
			b.WriteString(" " + plan.Bears(c.Type))
		}
		bullet(&b, c, level)
	}
	room -= min(len(p.weighty), room)
	for _, m := range slices.Sorted(maps.Keys(p.gone)) {
		if level < countsOnly {
			fmt.Fprintf(&b, "- **delete** all of %s: %s%s\n", code(m), counted(p.gone[m], "resource"), among(p.bearing[m]))
		}
	}
	named := p.ended[:min(len(p.ended), room)]
	if more := len(p.weighty) - min(len(p.weighty), limit) + len(p.ended) - len(named); more > 0 {
		fmt.Fprintf(&b, "- … and %d more that are destroyed: see the run\n", more)
	}
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	if len(named) > 0 {
		title := counted(len(named), "resource") + " destroyed"
		if len(named) != len(s.Plan.Changes) {
			title += moduleCounts(named)
		}
		b.WriteString(fold(title, fence("diff", changeLines(named, level, most))))
	}
	if level == countsOnly {
		if words := countWords(s.Plan.Counts()); words != "" {
			b.WriteString(words + ".\n")
		}
		return b.String()
	}
	if lines := changeLines(p.changed, level, most); len(lines) > 0 {
		b.WriteString(fold(cmp.Or(countWords(countsOf(p.changed)), "waits for a maintenance window"), fence("diff", lines)))
	}
	if lines := changeLines(p.created, level, most); len(lines) > 0 {
		b.WriteString(fold(countWords(countsOf(p.created))+moduleCounts(p.created), fence("diff", lines)))
	}
	if n := len(s.Plan.Outputs); n > 0 {
		change := "change"
		if n == 1 {
			change = "changes"
		}
		b.WriteString(fold(counted(n, "output")+" "+change, fence("", s.Plan.Outputs)))
	}
	drift := s.Plan.Unaccepted(config.AcceptedDrifts())
	if lines := changeLines(drift, level, most); len(lines) > 0 {
		b.WriteString(fold(fmt.Sprintf("%d changed outside of Terraform", len(drift)), fence("diff", lines)))
	}
	return b.String()
}

// bullet ends a line of the list with why, what it does, and what forces it or
// what is changed.
func bullet(b *strings.Builder, c plan.Change, level detail) {
	if why := strings.Trim(because(c), " ()"); why != "" && level < countsOnly {
		b.WriteString(" " + code(why))
	}
	if effect := c.Effect(); effect != "" && level < countsOnly {
		b.WriteString(" — " + effect)
	}
	b.WriteByte('\n')
	if level >= addresses {
		return
	}
	for _, a := range attributes(c) {
		if a.Forces || !c.Action.Destructive() {
			fmt.Fprintf(b, "  - %s\n", code(attributeLine(a, level)))
		}
	}
}

// among names the types of a module that serve traffic.
func among(types []string) string {
	if len(types) == 0 {
		return ""
	}
	var list []string
	for _, t := range slices.Sorted(slices.Values(types)) {
		list = append(list, code(t))
	}
	return ", which serve traffic with " + strings.Join(list, ", ")
}

func countsOf(changes []plan.Change) map[plan.Action]int {
	return (&plan.Plan{Changes: changes}).Counts()
}

// moduleCounts says how many of the changes each module has, those with the most
// first.
func moduleCounts(changes []plan.Change) string {
	counts := map[string]int{}
	for _, c := range changes {
		counts[moduleOf(c.Address)]++
	}
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	if len(names) == 1 && names[0] == moduleOf("") {
		return ""
	}
	const most = 4
	var list []string
	for _, n := range names[:min(len(names), most)] {
		list = append(list, fmt.Sprintf("%s %d", n, counts[n]))
	}
	if more := len(names) - most; more > 0 {
		list = append(list, fmt.Sprintf("%d more", more))
	}
	return ": " + strings.Join(list, ", ")
}

// diffSigns colour the lines of a diff block.
var diffSigns = map[plan.Action]string{
	plan.Create: "+", plan.Update: "!", plan.Revise: "!", plan.Replace: "-", plan.Delete: "-", plan.Forget: "-",
	plan.Import: " ", plan.Move: " ", plan.Deferred: " ",
}

// verb is an action as people read it.
func verb(a plan.Action) string {
	if a == plan.Revise {
		return "new revision of"
	}
	return string(a)
}

// changeLines lists changes. It ends once the lines are longer than most bytes.
func changeLines(changes []plan.Change, level detail, most int) []string {
	var lines []string
	for _, c := range changes {
		if most < 0 {
			break
		}
		if c.Action == plan.Read {
			continue
		}
		line := fmt.Sprintf("%s %s %s", diffSigns[c.Action], verb(c.Action), c.Address)
		if level < countsOnly {
			if c.Action != plan.Delete || !strings.HasSuffix(c.Reason, "no longer in the configuration") {
				line += because(c) // its removal from the configuration goes without saying
			}
			if effect := c.Effect(); effect != "" {
				line += " — " + effect
			}
		}
		lines = append(lines, line)
		most -= len(line)
		if level >= addresses {
			continue
		}
		for _, a := range attributes(c) {
			line := "      " + attributeLine(a, level)
			lines = append(lines, line)
			most -= len(line)
		}
	}
	return lines
}

// attributes are those of a change that tell a reader something.
func attributes(c plan.Change) []plan.Attribute {
	list := slices.DeleteFunc(c.Attributes(), plan.Attribute.Empty)
	if c.Type != "aws_cloudwatch_dashboard" {
		return list
	}
	// A dashboard is a single JSON document, in which one more service moves
	// everything.
	const body = "dashboard_body"
	places := 0
	list = slices.DeleteFunc(list, func(a plan.Attribute) bool {
		inside := strings.HasPrefix(a.Path, body)
		if inside {
			places++
		}
		return inside
	})
	if places > 0 {
		list = append(list, plan.Attribute{Path: body, After: counted(places, "place") + " of it"})
	}
	return list
}

func attributeLine(a plan.Attribute, level detail) string {
	line := a.Path
	if level == full {
		switch {
		case a.Hidden():
			line += " (its value is not shown)"
		case a.Before == "":
			line += ": " + clip(a.After)
		case a.After == "":
			line += ": " + clip(a.Before) + " → (none)"
		default:
			line += ": " + clip(a.Before) + " → " + clip(a.After)
		}
	}
	if a.Forces {
		line += "  # forces replacement"
	}
	return line
}
