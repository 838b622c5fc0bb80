package localaws

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// lifecycleRule is one rule of a lifecycle policy.
type lifecycleRule struct {
	RulePriority int
	Selection    struct {
		TagStatus      string // tagged, untagged or any
		TagPrefixList  []string
		TagPatternList []string
		CountType      string // imageCountMoreThan or sinceImagePushed
		CountUnit      string // days
		CountNumber    int
	}
}

// matches reports whether an image meets the tag conditions: all prefixes, all
// patterns.
func (r *lifecycleRule) matches(i *image) bool {
	tagged := func(test func(tag string) bool) bool { return slices.ContainsFunc(i.tags, test) }
	switch r.Selection.TagStatus {
	case "untagged":
		return len(i.tags) == 0
	case "tagged":
		for _, prefix := range r.Selection.TagPrefixList {
			if !tagged(func(tag string) bool { return strings.HasPrefix(tag, prefix) }) {
				return false
			}
		}
		for _, pattern := range r.Selection.TagPatternList {
			if !tagged(func(tag string) bool { ok, err := path.Match(pattern, tag); return err == nil && ok }) {
				return false
			}
		}
		return len(i.tags) > 0
	}
	return true
}

// expired returns the images that a policy removes. All rules are evaluated at
// the same time, each over every image that meets its tag conditions; then an
// image is judged by the first rule, by priority, whose conditions it meets. So
// images that an earlier rule keeps count in a later one, and are never removed
// by it.
func expired(rules []lifecycleRule, all []*image, now time.Time) ([]*image, error) {
	slices.SortFunc(rules, func(a, b lifecycleRule) int { return cmp.Compare(a.RulePriority, b.RulePriority) })
	newest := slices.Clone(all)
	slices.SortStableFunc(newest, func(a, b *image) int { return b.pushed.Compare(a.pushed) })
	var gone []*image
	judged := map[*image]bool{}
	for _, rule := range rules {
		count := 0
		for _, i := range newest {
			if !rule.matches(i) {
				continue
			}
			count++
			var old bool
			switch rule.Selection.CountType {
			case "imageCountMoreThan":
				old = count > rule.Selection.CountNumber
			case "sinceImagePushed":
				old = now.Sub(i.pushed) > time.Duration(rule.Selection.CountNumber)*24*time.Hour
			default:
				return nil, fmt.Errorf("evaluate lifecycle rule %d: count type %q is not modelled", rule.RulePriority, rule.Selection.CountType)
			}
			if old && !judged[i] {
				gone = append(gone, i)
			}
			judged[i] = true
		}
	}
	return gone, nil
}

// ExpireImages applies the lifecycle policies of all repositories, as ECR does
// within a day, and returns what it removed as repository@digest.
func (e *Endpoint) ExpireImages(ctx context.Context) ([]string, error) {
	return e.images.expire(ctx)
}

func (s *images) expire(ctx context.Context) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	removed := []string{}
	for key, all := range s.repositories {
		text, err := s.policy(ctx, key.region, key.name)
		if err != nil {
			return removed, fmt.Errorf("expire images of %s: %w", key.name, err)
		}
		if text == "" {
			continue
		}
		var policy struct{ Rules []lifecycleRule }
		if err := json.Unmarshal([]byte(text), &policy); err != nil {
			return removed, fmt.Errorf("expire images of %s: %w", key.name, err)
		}
		gone, err := expired(policy.Rules, all, s.now())
		if err != nil {
			return removed, fmt.Errorf("expire images of %s: %w", key.name, err)
		}
		for _, i := range gone {
			if s.listed(key, i.digest) && !slices.ContainsFunc(gone, func(o *image) bool { return slices.Contains(o.references, i.digest) }) {
				continue // an index that stays needs this image
			}
			s.drop(key, i)
			removed = append(removed, key.name+"@"+i.digest)
		}
	}
	slices.Sort(removed)
	return removed, nil
}
