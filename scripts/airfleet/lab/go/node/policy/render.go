package policy

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"strings"

	netv1 "k8s.io/api/networking/v1"
)

// Table is the name of the nftables table.
const Table = "airfleet_netpol"

// Render gives a script for `nft -f` that replaces the table in one transaction.
//
// What a pod sends to another pod or to another node is forwarded; what it sends to its own node is input, and subject
// to its egress rules just the same. What the node itself sends to its pods (the kubelet's probes) meets neither.
// Connections that are established go on when a policy changes.
func Render(isolations []Isolation) string {
	var chains strings.Builder
	jumps := map[netv1.PolicyType][]string{}
	for _, i := range isolations {
		name := chainName(i)
		fmt.Fprintf(&chains, "  chain %s { # %s\n", name, i.Pod)
		for _, r := range i.Rules {
			fmt.Fprintf(&chains, "    %sreturn # %s\n", conditions(i.Direction, r), r.Policy)
		}
		chains.WriteString("    drop\n  }\n")
		jumps[i.Direction] = append(jumps[i.Direction], fmt.Sprintf("%s : jump %s", i.Address, name))
	}
	egress := lookup("saddr", jumps[netv1.PolicyTypeEgress])
	ingress := lookup("daddr", jumps[netv1.PolicyTypeIngress])
	return fmt.Sprintf("table ip %[1]s\ndelete table ip %[1]s\ntable ip %[1]s {\n%[2]s%[3]s%[4]s}\n",
		Table, chains.String(), hook("forward", egress+ingress), hook("input", egress))
}

func hook(name, lookups string) string {
	return fmt.Sprintf("  chain %[1]s {\n    type filter hook %[1]s priority 10; policy accept;\n"+
		"    ct state established,related accept\n%[2]s  }\n", name, lookups)
}

func lookup(field string, jumps []string) string {
	if len(jumps) == 0 {
		return ""
	}
	return fmt.Sprintf("    ip %s vmap { %s }\n", field, strings.Join(jumps, ", "))
}

func chainName(i Isolation) string {
	sum := sha256.Sum256([]byte(i.Pod))
	return fmt.Sprintf("%s_%x", strings.ToLower(string(i.Direction)), sum[:8])
}

// conditions is the nftables form of a rule; empty if it allows everything.
func conditions(direction netv1.PolicyType, r Rule) string {
	field := "saddr"
	if direction == netv1.PolicyTypeEgress {
		field = "daddr"
	}
	var b strings.Builder
	if len(r.Addresses) > 0 {
		fmt.Fprintf(&b, "ip %s { %s } ", field, join(r.Addresses))
	}
	if r.Block.IsValid() && r.Block.Bits() > 0 {
		fmt.Fprintf(&b, "ip %s %s ", field, r.Block)
	}
	for _, except := range r.Except {
		fmt.Fprintf(&b, "ip %s != %s ", field, except)
	}
	switch {
	case r.Protocol == "":
	case r.First == 0:
		fmt.Fprintf(&b, "meta l4proto %s ", r.Protocol)
	case r.First == r.Last:
		fmt.Fprintf(&b, "%s dport %d ", r.Protocol, r.First)
	default:
		fmt.Fprintf(&b, "%s dport %d-%d ", r.Protocol, r.First, r.Last)
	}
	return b.String()
}

func join(addresses []netip.Addr) string {
	texts := make([]string, len(addresses))
	for i, a := range addresses {
		texts[i] = a.String()
	}
	return strings.Join(texts, ", ")
}
