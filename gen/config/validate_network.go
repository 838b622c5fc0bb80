package config

import (
	"net/netip"
	"slices"
)

// privateRanges are those of RFC 1918.
func privateRanges() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"),
		netip.MustParsePrefix("172.16.0.0/12"),
		netip.MustParsePrefix("192.168.0.0/16"),
	}
}

// network checks the i-th environment's network.
func (c *checker) network(path string, i int, e Environment) {
	n, at := e.Network, path+".network.cidr"
	block, ok := networkBlock(n.CIDR)
	switch {
	case !ok:
		c.must(false, at, n.CIDR, "is not a /16 to /20 IPv4 block", "10.10.0.0/16")
	case block != block.Masked():
		c.must(false, at, n.CIDR, "is not the address of a network: it has bits set behind the prefix", block.Masked().String())
	default:
		private := false
		for _, r := range privateRanges() {
			private = private || r.Bits() <= block.Bits() && r.Contains(block.Addr())
		}
		c.must(private, at, n.CIDR, "is not private: outside 10.0.0.0/8, 172.16.0.0/12 and 192.168.0.0/16 it would hide a part of the internet", "10.10.0.0/16")
		for _, earlier := range c.Environments[:i] {
			if other, ok := networkBlock(earlier.Network.CIDR); ok && block.Overlaps(other) {
				c.must(false, at, n.CIDR, "overlaps "+show(earlier.Network.CIDR)+" of "+show(earlier.Name)+", so the two could never be connected", c.freeBlock())
				break
			}
		}
		c.addresses(at, block, e)
	}

	zones := len(c.AvailabilityZones)
	c.must(n.NATGateways == 1 || n.NATGateways >= 1 && n.NATGateways == zones, path+".network.natGateways", n.NATGateways,
		"is neither 1 nor one per availability zone ("+show(zones)+")", 1)
}

// addresses checks that the private subnets, one a zone, have an address for each
// task. AWS reserves five addresses of each subnet.
func (c *checker) addresses(path string, block netip.Prefix, e Environment) {
	needs := len(c.Tasks)
	for _, s := range c.Services {
		needs += 2 * min(e.SizeOf(s.Name).MaxTasks, mostTasks)
	}
	has := len(c.AvailabilityZones) * (1<<(32-block.Bits()-4) - 5)
	c.must(needs <= has, path, block.String(), "has "+show(has)+" addresses for tasks, and up to "+show(needs)+
		" run when all services have twice maxTasks, which they have while they are deployed; a network's block cannot be changed later", nil)
}

// networkBlock parses an IPv4 block of /16 to /20, the sizes a network may have.
func networkBlock(cidr string) (netip.Prefix, bool) {
	p, err := netip.ParsePrefix(cidr)
	return p, err == nil && p.Addr().Is4() && p.Bits() >= 16 && p.Bits() <= 20
}

// allowedCIDRs checks who may connect to a load balancer.
func (c *checker) allowedCIDRs(path string, blocks []string) {
	if !c.absent(c.HasLoadBalancer(), len(blocks) > 0, path, nil, noDomain, literal("nil")) {
		return
	}
	const most = groupRules / 2
	c.must(len(blocks) <= most, path, literal(plural(len(blocks), "block")),
		"are more than "+show(most)+": each takes two of the "+show(groupRules)+" rules that a security group has", literal("larger blocks"))
	for i, block := range blocks {
		at := indexed(path, i)
		p, err := netip.ParsePrefix(block)
		if c.must(err == nil && p.Addr().Is4(), at, block, "is not a block of IPv4 addresses", "203.0.113.7/32") &&
			c.must(p == p.Masked(), at, block, "is not the address of a network: it has bits set behind the prefix", p.Masked().String()) &&
			c.must(p.Bits() > 0, at, block, "allows everybody, as an empty list does", literal("nil")) {
			c.must(slices.Index(blocks, block) == i, at, block, "is listed twice", nil)
		}
	}
}

// freeBlock proposes a block that no environment uses; nil if all are used.
func (c *checker) freeBlock() any {
	for second := 10; second < 256; second += 10 {
		candidate := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(second), 0, 0}), 16)
		taken := slices.ContainsFunc(c.Environments, func(e Environment) bool {
			other, ok := networkBlock(e.Network.CIDR)
			return ok && candidate.Overlaps(other)
		})
		if !taken {
			return candidate.String()
		}
	}
	return nil
}
