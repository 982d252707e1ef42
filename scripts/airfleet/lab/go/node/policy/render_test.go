package policy

import (
	"os/exec"
	"strings"
	"testing"

	netv1 "k8s.io/api/networking/v1"
)

func TestRenderedRulesSayWhatIsCompiled(t *testing.T) {
	last := int32(90)
	entry := number(80)
	entry.EndPort = &last
	w := conformanceWorld(
		ingress("pods", podA, netv1.NetworkPolicyIngressRule{
			From:  []netv1.NetworkPolicyPeer{{PodSelector: pods(map[string]string{"pod": "b"})}},
			Ports: []netv1.NetworkPolicyPort{entry, number(443)},
		}),
		ingress("rest", podA, from(block("0.0.0.0/0", "10.0.0.0/8"))),
		egress("out", podA, to(block("192.0.2.0/24"))),
	)
	table := Render(Compile("x-a", w))
	for _, want := range []string{
		"ip saddr { 10.128.1.2 } tcp dport 80-90 return # x/pods\n",
		"ip saddr { 10.128.1.2 } tcp dport 443 return # x/pods\n",
		"    ip saddr != 10.0.0.0/8 return # x/rest\n",
		"ip daddr 192.0.2.0/24 return # x/out\n",
		"ip saddr vmap { 10.128.1.1 : jump egress_",
		"ip daddr vmap { 10.128.1.1 : jump ingress_",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("not in the table: %q", want)
		}
	}
	if egressLookups := strings.Count(table, "ip saddr vmap"); egressLookups != 2 {
		t.Errorf("egress is looked up in %d hooks, not in forward and input", egressLookups)
	}
	if t.Failed() {
		t.Log(table)
	}
}

func TestPodsOfOtherNodesAreNotRestrictedHere(t *testing.T) {
	table := Render(Compile("nobody's", conformanceWorld(ingress("deny", nil))))
	if strings.Contains(table, "vmap") {
		t.Error(table)
	}
}

func TestRenderIsStable(t *testing.T) {
	w := conformanceWorld(ingress("b", nil, from(block("10.0.0.0/8"))), ingress("a", podA))
	first := Render(Compile("x-a", w))
	w.Pods[0], w.Pods[5] = w.Pods[5], w.Pods[0]
	w.Policies[0], w.Policies[1] = w.Policies[1], w.Policies[0]
	if Render(Compile("x-a", w)) != first {
		t.Error("the order of the lists changes the table")
	}
}

// nft checks the syntax without touching the kernel's rules; it needs root even for that, so it gets a namespace.
func TestNftAcceptsEveryKindOfRule(t *testing.T) {
	udp := netv1.NetworkPolicyPort{Protocol: ptr("UDP")}
	sctp := number(99)
	sctp.Protocol = ptr("SCTP")
	w := conformanceWorld(
		ingress("ports", nil, onPorts(udp, sctp, number(80), name("serve-81-tcp"))),
		ingress("overlapping", nil, from(block("0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16"), block("10.0.0.7/8"))),
		egress("everything", nil, netv1.NetworkPolicyEgressRule{}),
	)
	if err := exec.Command("unshare", "--net", "nft", "list", "tables").Run(); err != nil {
		t.Skipf("no nft in a network namespace of its own: %v", err)
	}
	check := exec.Command("unshare", "--net", "nft", "--check", "--file", "-")
	check.Stdin = strings.NewReader(Render(Compile("x-a", w)))
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
