package config

import (
	"strings"
	"time"
)

// longestBake is the most that a proof may ask for.
const longestBake = 30 * 24 * time.Hour

func (c *checker) proof(path string, i int, e Environment, cycles map[int]string) {
	if e.Proof == nil {
		return
	}
	from := path + ".from"
	_, ok := c.Environment(e.Proof.From)
	var others []string
	for j, o := range c.Environments {
		if j != i && o.Name != e.Name {
			others = append(others, o.Name)
		}
	}
	if c.must(ok, from, e.Proof.From, "is not an environment", mostAlike(e.Proof.From, others)) &&
		c.must(e.Proof.From != e.Name, from, e.Proof.From, "is the environment itself: a release would have to run here before it may", mostAlike(e.Proof.From, others)) {
		c.must(cycles[i] == "", from, e.Proof.From, "closes a circle of proofs, which no release can enter: "+cycles[i], literal("no proof"))
	}
	c.must(e.Proof.MinimumBake >= 0 && e.Proof.MinimumBake <= longestBake, path+".minimumBake", e.Proof.MinimumBake,
		"is not a time between none and 30 days", 10*time.Minute)
}

// proofCycles finds circles of proofs. The result has the names along each
// circle, at the index of its first environment.
func (c *checker) proofCycles() map[int]string {
	index := firsts(c.Environments, func(e Environment) string { return e.Name })
	cycles := map[int]string{}
	done := make([]bool, len(c.Environments))
	for start := range c.Environments {
		position := map[int]int{}
		var trail []int
		for i := start; ; {
			if at, ok := position[i]; ok {
				if circle := trail[at:]; len(circle) > 1 {
					c.noteCycle(cycles, circle)
				}
				break
			}
			if done[i] {
				break
			}
			done[i] = true
			position[i] = len(trail)
			trail = append(trail, i)
			p := c.Environments[i].Proof
			if p == nil {
				break
			}
			next, ok := index[p.From]
			if !ok {
				break
			}
			i = next
		}
	}
	return cycles
}

func (c *checker) noteCycle(cycles map[int]string, circle []int) {
	first := 0
	for k, i := range circle {
		if i < circle[first] {
			first = k
		}
	}
	var way []string
	for k := range len(circle) + 1 {
		way = append(way, c.Environments[circle[(first+k)%len(circle)]].Name)
	}
	cycles[circle[first]] = strings.Join(way, " → ")
}
