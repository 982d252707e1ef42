// Package policy says what NetworkPolicies (networking.k8s.io/v1) mean for the pods of one node: as rules, and as an
// nftables table of the same content.
package policy

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// World is everything that decides what may talk to what.
type World struct {
	Pods       []*corev1.Pod
	Namespaces []*corev1.Namespace
	Policies   []*netv1.NetworkPolicy
}

// Isolation says what one pod may still send or receive; a pod and direction without one is unrestricted.
type Isolation struct {
	Pod       string // namespace/name
	Address   netip.Addr
	Direction netv1.PolicyType
	Rules     []Rule
}

// Rule allows traffic with some peers on some ports.
type Rule struct {
	Policy    string       // namespace/name
	Addresses []netip.Addr // peers that are pods; nil if the peer is a block or anybody
	Block     netip.Prefix // peers by address; invalid if they are pods or anybody
	Except    []netip.Prefix
	Protocol  string // tcp, udp or sctp; empty for all traffic
	First     int32  // port range; 0 for all ports of the protocol
	Last      int32
}

// Compile gives the isolation of every pod on the node, in a stable order.
func Compile(node string, world World) []Isolation {
	c := newCompiler(world)
	var found []Isolation
	for _, p := range c.pods {
		if p.Spec.NodeName != node {
			continue
		}
		for _, direction := range []netv1.PolicyType{netv1.PolicyTypeEgress, netv1.PolicyTypeIngress} {
			if isolation, isolated := c.isolate(p, direction); isolated {
				found = append(found, isolation)
			}
		}
	}
	return found
}

type pod struct {
	*corev1.Pod
	address netip.Addr
}

type compiler struct {
	pods       []pod
	namespaces map[string]labels.Set
	policies   []*netv1.NetworkPolicy
}

func newCompiler(world World) *compiler {
	c := &compiler{namespaces: map[string]labels.Set{}, policies: slices.Clone(world.Policies)}
	byAddress := map[netip.Addr]pod{}
	for _, p := range world.Pods {
		address, err := netip.ParseAddr(p.Status.PodIP)
		finished := p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
		if err != nil || !address.Is4() || p.Spec.HostNetwork || finished {
			continue
		}
		// an address that was used again belongs to the younger pod
		if other, taken := byAddress[address]; !taken || other.CreationTimestamp.Before(&p.CreationTimestamp) {
			byAddress[address] = pod{p, address}
		}
	}
	for _, p := range byAddress {
		c.pods = append(c.pods, p)
	}
	slices.SortFunc(c.pods, func(a, b pod) int { return a.address.Compare(b.address) })
	slices.SortFunc(c.policies, func(a, b *netv1.NetworkPolicy) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	for _, n := range world.Namespaces {
		c.namespaces[n.Name] = n.Labels
	}
	return c
}

func (c *compiler) isolate(p pod, direction netv1.PolicyType) (Isolation, bool) {
	isolation := Isolation{Pod: p.Namespace + "/" + p.Name, Address: p.address, Direction: direction}
	isolated := false
	for _, policy := range c.policies {
		if policy.Namespace != p.Namespace || !governs(policy, direction) || !matches(&policy.Spec.PodSelector, p.Labels) {
			continue
		}
		isolated = true
		if direction == netv1.PolicyTypeIngress {
			for _, r := range policy.Spec.Ingress {
				isolation.Rules = append(isolation.Rules, c.ingressRules(policy, r, p)...)
			}
			continue
		}
		for _, r := range policy.Spec.Egress {
			isolation.Rules = append(isolation.Rules, c.egressRules(policy, r)...)
		}
	}
	return isolation, isolated
}

// governs applies the default of policyTypes: Ingress always, Egress if the policy has egress rules.
func governs(policy *netv1.NetworkPolicy, direction netv1.PolicyType) bool {
	if len(policy.Spec.PolicyTypes) > 0 {
		return slices.Contains(policy.Spec.PolicyTypes, direction)
	}
	return direction == netv1.PolicyTypeIngress || len(policy.Spec.Egress) > 0
}

func (c *compiler) ingressRules(policy *netv1.NetworkPolicy, r netv1.NetworkPolicyIngressRule, target pod) []Rule {
	var rules []Rule
	for _, peer := range c.peers(policy, r.From) {
		for _, ports := range ports(r.Ports, &target) {
			rules = append(rules, combine(peer.Rule, ports))
		}
	}
	return rules
}

// egressRules resolves named ports in each destination pod, which makes one rule per pod of them.
func (c *compiler) egressRules(policy *netv1.NetworkPolicy, r netv1.NetworkPolicyEgressRule) []Rule {
	var rules []Rule
	for _, peer := range c.peers(policy, r.To) {
		for _, port := range r.Ports {
			if !named(port) {
				continue
			}
			destinations := peer.pods
			if peer.anybody {
				destinations = c.pods
			}
			for _, d := range destinations {
				to := Rule{Policy: peer.Policy, Addresses: []netip.Addr{d.address}}
				for _, ports := range ports([]netv1.NetworkPolicyPort{port}, &d) {
					rules = append(rules, combine(to, ports))
				}
			}
		}
		numbered := slices.DeleteFunc(slices.Clone(r.Ports), named)
		if len(numbered) == 0 && len(r.Ports) > 0 {
			continue
		}
		for _, ports := range ports(numbered, nil) {
			rules = append(rules, combine(peer.Rule, ports))
		}
	}
	return rules
}

// peer is the part of a rule that says with whom; pods are those behind its addresses.
type peer struct {
	Rule
	pods    []pod
	anybody bool
}

// peers gives the peers of one from or to list. Pods selected by several entries are listed once.
func (c *compiler) peers(policy *netv1.NetworkPolicy, list []netv1.NetworkPolicyPeer) []peer {
	name := policy.Namespace + "/" + policy.Name
	if len(list) == 0 {
		return []peer{{Rule: Rule{Policy: name}, anybody: true}}
	}
	var found []peer
	var selected []pod
	for _, entry := range list {
		if entry.IPBlock != nil {
			if block, ok := blockRule(name, entry.IPBlock); ok {
				found = append(found, peer{Rule: block})
			}
			continue
		}
		for _, p := range c.pods {
			if c.selects(policy.Namespace, entry, p) && !slices.ContainsFunc(selected, p.same) {
				selected = append(selected, p)
			}
		}
	}
	if len(selected) > 0 {
		pods := Rule{Policy: name}
		for _, p := range selected {
			pods.Addresses = append(pods.Addresses, p.address)
		}
		found = append(found, peer{Rule: pods, pods: selected})
	}
	return found
}

func (p pod) same(other pod) bool { return p.address == other.address }

// selects: without a namespaceSelector a peer is in the policy's own namespace; without a podSelector every pod counts.
func (c *compiler) selects(namespace string, entry netv1.NetworkPolicyPeer, p pod) bool {
	if entry.NamespaceSelector == nil && p.Namespace != namespace {
		return false
	}
	if entry.NamespaceSelector != nil && !matches(entry.NamespaceSelector, c.namespaces[p.Namespace]) {
		return false
	}
	return entry.PodSelector == nil || matches(entry.PodSelector, p.Labels)
}

func blockRule(policy string, block *netv1.IPBlock) (Rule, bool) {
	prefix, err := netip.ParsePrefix(block.CIDR)
	if err != nil || !prefix.Addr().Is4() {
		return Rule{}, false // the lab is IPv4 only, so an IPv6 block allows nobody
	}
	rule := Rule{Policy: policy, Block: prefix.Masked()}
	for _, text := range block.Except {
		if except, err := netip.ParsePrefix(text); err == nil && except.Addr().Is4() {
			rule.Except = append(rule.Except, except.Masked())
		}
	}
	return rule, true
}

func matches(selector *metav1.LabelSelector, set map[string]string) bool {
	s, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && s.Matches(labels.Set(set))
}

func combine(peer, ports Rule) Rule {
	peer.Protocol, peer.First, peer.Last = ports.Protocol, ports.First, ports.Last
	return peer
}

func protocolName(protocol *corev1.Protocol) string {
	if protocol == nil || *protocol == "" {
		return "tcp"
	}
	return strings.ToLower(string(*protocol))
}
