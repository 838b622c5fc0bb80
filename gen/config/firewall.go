package config

// What Firewall.CommonRules may be.
const (
	CountCommonRules = "count"
	BlockCommonRules = "block"
)

// The rate, in requests of an address within five minutes.
const (
	leastRate = 300 // AWS takes 10; a promotion's own check of the site asks every two seconds
	mostRate  = 2_000_000_000
)

// firewall checks what AWS WAF is to do.
func (c *checker) firewall(path string, f Firewall) {
	if !c.absent(c.HasLoadBalancer(), f != Firewall{}, path, nil, noDomain, literal("Firewall{}")) {
		return
	}
	c.must(f.Rate == 0 || f.Rate >= leastRate && f.Rate <= mostRate, path+".rate", f.Rate,
		"is not a number of requests within five minutes that AWS WAF counts to and a promotion itself stays below, 300 to 2000000000, or 0 for no bound", 2000)
	c.must(f.CommonRules == "" || f.CommonRules == CountCommonRules || f.CommonRules == BlockCommonRules, path+".commonRules", f.CommonRules,
		"is not a way to use AWS's common rules: count, block, or empty", CountCommonRules)
}
