package policy

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The names of these tests are those of the cases in Kubernetes' test/e2e/network/netpol/network_policy.go.

func from(peers ...netv1.NetworkPolicyPeer) netv1.NetworkPolicyIngressRule {
	return netv1.NetworkPolicyIngressRule{From: peers}
}

func to(peers ...netv1.NetworkPolicyPeer) netv1.NetworkPolicyEgressRule {
	return netv1.NetworkPolicyEgressRule{To: peers}
}

func onPorts(ports ...netv1.NetworkPolicyPort) netv1.NetworkPolicyIngressRule {
	return netv1.NetworkPolicyIngressRule{Ports: ports}
}

var podA = map[string]string{"pod": "a"}

func TestDefaultDenyIngressPolicy(t *testing.T) {
	w := conformanceWorld(ingress("deny", nil))
	expect(t, w, "x/a", 80)
	expect(t, w, "y/a", 80, everybody...)
}

func TestDefaultDenyAllPolicy(t *testing.T) {
	p := ingress("deny", nil)
	p.Spec.PolicyTypes = []netv1.PolicyType{netv1.PolicyTypeIngress, netv1.PolicyTypeEgress}
	w := conformanceWorld(p)
	expect(t, w, "x/a", 80)
	expect(t, w, "y/a", 80, except(everybody, "x/a", "x/b", "x/c")...)
}

func TestAllowTrafficFromPodsWithinServerNamespaceBasedOnPodSelector(t *testing.T) {
	w := conformanceWorld(ingress("b", podA, from(netv1.NetworkPolicyPeer{PodSelector: pods(map[string]string{"pod": "b"})})))
	expect(t, w, "x/a", 80, "x/b")
	expect(t, w, "x/c", 80, everybody...)
}

func TestAllowTrafficBasedOnNamespaceSelector(t *testing.T) {
	w := conformanceWorld(ingress("y", podA, from(netv1.NetworkPolicyPeer{NamespaceSelector: pods(map[string]string{"ns": "y"})})))
	expect(t, w, "x/a", 80, "y/a", "y/b", "y/c")
}

func TestEmptySelectorsMatchEverything(t *testing.T) {
	all := &metav1.LabelSelector{}
	expect(t, conformanceWorld(ingress("pods", podA, from(netv1.NetworkPolicyPeer{PodSelector: all}))), "x/a", 80, "x/b", "x/c")
	w := conformanceWorld(ingress("namespaces", podA, from(netv1.NetworkPolicyPeer{NamespaceSelector: all})))
	expect(t, w, "x/a", 80, everybody...)
	if allowed(t, w, flow{"192.0.2.1", "x/a", "tcp", 80}) {
		t.Error("an empty namespaceSelector allows an address that is no pod's")
	}
}

func TestEnforcePolicyBasedOnPodSelectorWithMatchExpressions(t *testing.T) {
	selector := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
		{Key: "pod", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"b"}},
	}}
	w := conformanceWorld(ingress("not-b", podA, from(netv1.NetworkPolicyPeer{PodSelector: selector})))
	expect(t, w, "x/a", 80, "x/c")
}

func TestEnforcePolicyBasedOnPodSelectorOrNamespaceSelector(t *testing.T) {
	w := conformanceWorld(ingress("or", podA, from(
		netv1.NetworkPolicyPeer{PodSelector: pods(map[string]string{"pod": "b"})},
		netv1.NetworkPolicyPeer{NamespaceSelector: pods(map[string]string{"ns": "y"})},
	)))
	expect(t, w, "x/a", 80, "x/b", "y/a", "y/b", "y/c")
}

func TestEnforcePolicyBasedOnPodSelectorAndNamespaceSelector(t *testing.T) {
	w := conformanceWorld(ingress("and", podA, from(netv1.NetworkPolicyPeer{
		PodSelector:       pods(map[string]string{"pod": "b"}),
		NamespaceSelector: pods(map[string]string{"ns": "y"}),
	})))
	expect(t, w, "x/a", 80, "y/b")
}

func TestEnforcePolicyBasedOnPorts(t *testing.T) {
	w := conformanceWorld(ingress("81", podA, onPorts(number(81))))
	expect(t, w, "x/a", 80)
	expect(t, w, "x/a", 81, everybody...)
}

func TestEnforceMultipleStackedPoliciesWithOverlappingPodSelectors(t *testing.T) {
	w := conformanceWorld(ingress("81", podA, onPorts(number(81))))
	expect(t, w, "x/a", 80)
	w.Policies = append(w.Policies, ingress("80", nil, onPorts(number(80))))
	expect(t, w, "x/a", 80, everybody...)
	expect(t, w, "x/a", 81, everybody...)
	expect(t, w, "x/b", 81)
}

func TestAllowIngressAccessOnOneNamedPort(t *testing.T) {
	w := conformanceWorld(ingress("named", podA, onPorts(name("serve-81-tcp"))))
	expect(t, w, "x/a", 80)
	expect(t, w, "x/a", 81, everybody...)
	expect(t, conformanceWorld(ingress("unknown", podA, onPorts(name("absent")))), "x/a", 81)
}

func TestNamedPortMustHaveTheSameProtocol(t *testing.T) {
	w := conformanceWorld(ingress("named", podA, onPorts(name("serve-80-udp")))) // TCP by default
	expect(t, w, "x/a", 80)
	udp := corev1.ProtocolUDP
	entry := name("serve-80-udp")
	entry.Protocol = &udp
	w = conformanceWorld(ingress("named", podA, onPorts(entry)))
	if !allowed(t, w, flow{"x/b", "x/a", "udp", 80}) || allowed(t, w, flow{"x/b", "x/a", "tcp", 80}) {
		t.Error("a named port is one of its own protocol")
	}
}

func TestAllowEgressAccessOnOneNamedPort(t *testing.T) {
	rule := netv1.NetworkPolicyEgressRule{Ports: []netv1.NetworkPolicyPort{name("serve-80-tcp")}}
	w := conformanceWorld(egress("named", podA, rule))
	for _, f := range []struct {
		flow
		want bool
	}{
		{flow{"x/a", "y/b", "tcp", 80}, true},
		{flow{"x/a", "y/b", "tcp", 81}, false},
		{flow{"x/a", "192.0.2.1", "tcp", 80}, false}, // what is no pod has no named ports
	} {
		if got := allowed(t, w, f.flow); got != f.want {
			t.Errorf("%v: %v", f.flow, got)
		}
	}
}

func TestWorkWithIngressAndEgressSpecifiedTogether(t *testing.T) {
	p := ingress("both", podA, from(netv1.NetworkPolicyPeer{PodSelector: pods(map[string]string{"pod": "b"})}))
	p.Spec.PolicyTypes = append(p.Spec.PolicyTypes, netv1.PolicyTypeEgress)
	p.Spec.Egress = []netv1.NetworkPolicyEgressRule{{Ports: []netv1.NetworkPolicyPort{number(80)}}}
	w := conformanceWorld(p)
	expect(t, w, "x/a", 80, "x/b")
	expect(t, w, "y/a", 80, everybody...)
	expect(t, w, "y/a", 81, except(everybody, "x/a")...)
}

func TestSupportDenyEgressPolicy(t *testing.T) {
	w := conformanceWorld(egress("deny", podA))
	expect(t, w, "y/b", 80, except(everybody, "x/a")...)
	expect(t, w, "x/a", 80, everybody...)
	if allowed(t, w, flow{"x/a", "192.0.2.1", "tcp", 80}) {
		t.Error("egress to an address outside is not denied")
	}
}

func TestEnforceEgressPolicyAllowingTrafficToAServerInADifferentNamespace(t *testing.T) {
	w := conformanceWorld(egress("to-y-a", podA, to(netv1.NetworkPolicyPeer{
		NamespaceSelector: pods(map[string]string{"ns": "y"}),
		PodSelector:       pods(podA),
	})))
	expect(t, w, "y/a", 80, everybody...)
	expect(t, w, "y/b", 80, except(everybody, "x/a")...)
}

func TestEgressNeedsTheReceiversConsent(t *testing.T) {
	w := conformanceWorld(egress("to-x-b", podA, to(netv1.NetworkPolicyPeer{PodSelector: pods(map[string]string{"pod": "b"})})),
		ingress("from-c", map[string]string{"pod": "b"}, from(netv1.NetworkPolicyPeer{PodSelector: pods(map[string]string{"pod": "c"})})))
	expect(t, w, "x/b", 80, "x/c")
}

func TestEnforceEgressPolicyAllowingTrafficToAServerBasedOnIPBlock(t *testing.T) {
	w := conformanceWorld(egress("block", podA, to(block("10.128.2.2/32"))))
	expect(t, w, "y/b", 80, everybody...)
	expect(t, w, "y/c", 80, except(everybody, "x/a")...)
}

func TestEnforceExceptClauseWhileEgressAccessToServerInCIDRBlock(t *testing.T) {
	w := conformanceWorld(egress("block", podA, to(block("10.128.0.0/16", "10.128.2.2/32", "10.128.3.0/24"))))
	expect(t, w, "y/a", 80, everybody...)
	expect(t, w, "y/b", 80, except(everybody, "x/a")...)
	expect(t, w, "z/c", 80, except(everybody, "x/a")...)
}

func TestEnsureAnIPOverlappingBothAllowAndExceptIsAllowed(t *testing.T) {
	w := conformanceWorld(egress("except", podA, to(block("10.128.2.0/24", "10.128.2.2/32"))),
		egress("allow", podA, to(block("10.128.2.2/32"))))
	expect(t, w, "y/a", 80, everybody...)
	expect(t, w, "y/b", 80, everybody...)
	expect(t, w, "z/b", 80, except(everybody, "x/a")...)
}

func TestBlockOfTheWholeInternet(t *testing.T) {
	w := conformanceWorld(ingress("world", podA, from(block("0.0.0.0/0", "10.0.0.0/8"))))
	expect(t, w, "x/a", 80)
	if !allowed(t, w, flow{"192.0.2.1", "x/a", "tcp", 80}) {
		t.Error("0.0.0.0/0 does not hold 192.0.2.1")
	}
}

func TestIPv6BlocksAllowNobodyHere(t *testing.T) {
	expect(t, conformanceWorld(ingress("six", podA, from(block("::/0")))), "x/a", 80)
}

func TestEnforcePoliciesWithEndPort(t *testing.T) {
	last := int32(81)
	entry := number(80)
	entry.EndPort = &last
	w := conformanceWorld(ingress("range", podA, onPorts(entry)))
	expect(t, w, "x/a", 80, everybody...)
	expect(t, w, "x/a", 81, everybody...)
	expect(t, w, "x/a", 82)
	expect(t, w, "x/a", 79)
}

func TestNotAllowAccessByTCPWhenAPolicySpecifiesOnlyUDP(t *testing.T) {
	udp := corev1.ProtocolUDP
	entry := number(80)
	entry.Protocol = &udp
	w := conformanceWorld(ingress("udp", podA, onPorts(entry)))
	expect(t, w, "x/a", 80)
	if !allowed(t, w, flow{"y/b", "x/a", "udp", 80}) {
		t.Error("UDP is not allowed")
	}
	w = conformanceWorld(ingress("any-udp", podA, onPorts(netv1.NetworkPolicyPort{Protocol: &udp})))
	expect(t, w, "x/a", 80)
	if !allowed(t, w, flow{"y/b", "x/a", "udp", 9999}) {
		t.Error("a protocol without a port does not mean all of its ports")
	}
}

func TestPolicyTypesDefault(t *testing.T) {
	p := ingress("default", podA)
	p.Spec.PolicyTypes = nil
	w := conformanceWorld(p)
	expect(t, w, "x/a", 80)
	expect(t, w, "y/a", 80, everybody...)
	p.Spec.Egress = []netv1.NetworkPolicyEgressRule{to(block("192.0.2.0/24"))}
	expect(t, w, "y/a", 80, except(everybody, "x/a")...)
}

func TestUpdatedLabelsCount(t *testing.T) {
	w := conformanceWorld(ingress("y", podA, from(netv1.NetworkPolicyPeer{NamespaceSelector: pods(map[string]string{"team": "one"})})))
	expect(t, w, "x/a", 80)
	w.Namespaces[1].Labels["team"] = "one"
	expect(t, w, "x/a", 80, "y/a", "y/b", "y/c")
}

func TestHostNetworkAndFinishedPodsAreNobody(t *testing.T) {
	w := conformanceWorld(ingress("all", podA, from(netv1.NetworkPolicyPeer{NamespaceSelector: &metav1.LabelSelector{}})))
	w.Pods[4].Spec.HostNetwork = true         // y/b
	w.Pods[5].Status.Phase = corev1.PodFailed // y/c
	expect(t, w, "x/a", 80, except(everybody, "y/b", "y/c")...)
}

func TestAnAddressBelongsToTheYoungestPod(t *testing.T) {
	w := conformanceWorld(ingress("b", podA, from(netv1.NetworkPolicyPeer{PodSelector: pods(map[string]string{"pod": "b"})})))
	w.Pods[2].Status.PodIP = w.Pods[1].Status.PodIP // x/c has got the address that x/b had
	w.Pods[2].CreationTimestamp = metav1.Now()
	expect(t, w, "x/a", 80)
}

func block(cidr string, excepts ...string) netv1.NetworkPolicyPeer {
	return netv1.NetworkPolicyPeer{IPBlock: &netv1.IPBlock{CIDR: cidr, Except: excepts}}
}
