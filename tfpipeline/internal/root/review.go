package root

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/specboard/platform/tfpipeline/internal/console"
	"github.com/specboard/platform/tfpipeline/internal/plan"
)

// Review is a plan that somebody approved: its fingerprint and, if the plan's
// JSON was given, its summary.
type Review struct {
	Fingerprint string
	summary     plan.Summary
}

var fingerprintForm = regexp.MustCompile(`^[0-9a-f]{20}$`)

// ReadReview reads the value of -reviewed: a fingerprint, or the file that
// plan -json wrote, which also shows what differs.
func ReadReview(given, root string) (*Review, error) {
	if fingerprintForm.MatchString(given) {
		return &Review{Fingerprint: given}, nil
	}
	content, err := os.ReadFile(given)
	if err != nil {
		return nil, console.Usage(fmt.Sprintf("-reviewed %s: neither a fingerprint (20 hexadecimal digits) nor a file that plan -json wrote: %v", given, err),
			"tfpipeline plan -env "+root)

	}
	var document struct {
		Root        string       `json:"root"`
		Fingerprint string       `json:"fingerprint"`
		Summary     plan.Summary `json:"summary"`
	}
	if err := json.Unmarshal(content, &document); err != nil || !fingerprintForm.MatchString(document.Fingerprint) {
		return nil, console.Usage(fmt.Sprintf("-reviewed %s: not what plan -json writes", given), "tfpipeline plan -json -env "+root)
	}
	if document.Root != root {
		return nil, console.Usage(fmt.Sprintf("-reviewed %s: a plan of %s, not of %s", given, document.Root, root), "tfpipeline plan -json -env "+root)
	}
	return &Review{document.Fingerprint, document.Summary}, nil
}

// compare refuses a plan that is not the one that was approved, and says how
// it differs. retry is the command that was run.
func (r *Review) compare(p *plan.Plan, retry string) error {
	now := p.Fingerprint()
	if now == r.Fingerprint {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "this is not the plan that was reviewed, and nothing was changed: its fingerprint is %s, the reviewed one's %s", now, r.Fingerprint)
	if r.summary != nil {
		for _, line := range plan.Difference(r.summary, p) {
			b.WriteString("\n  " + line)
		}
	} else {
		b.WriteString("; -reviewed with the file of plan -json would say what is different")
	}
	return console.WithNext(fmt.Errorf("%s: %s", p.Root, b.String()), "read the plan above; if it is right: %s -reviewed %s", retry, now)
}
