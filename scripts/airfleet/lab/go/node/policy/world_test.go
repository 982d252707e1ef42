package policy

import (
	"net/netip"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// The world of the upstream conformance suite: pods a, b, c in namespaces x, y, z, each serving TCP and UDP on 80 and 81.
// Every pod is on a node of its own, so that every rule is looked at on the receiving or on the sending node only.
func conformanceWorld(policies ...*netv1.NetworkPolicy) World {
	w := World{Policies: policies}
	for i, ns := range []string{"x", "y", "z"} {
		w.Namespaces = append(w.Namespaces, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns, Labels: map[string]string{"ns": ns}}})
		for j, name := range []string{"a", "b", "c"} {
			w.Pods = append(w.Pods, newPod(ns, name, netip.AddrFrom4([4]byte{10, 128, byte(i + 1), byte(j + 1)})))
		}
	}
	return w
}

func newPod(ns, name string, address netip.Addr) *corev1.Pod {
	serve := []corev1.ContainerPort{
		{Name: "serve-80-tcp", ContainerPort: 80, Protocol: corev1.ProtocolTCP},
		{Name: "serve-81-tcp", ContainerPort: 81, Protocol: corev1.ProtocolTCP},
		{Name: "serve-80-udp", ContainerPort: 80, Protocol: corev1.ProtocolUDP},
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, Labels: map[string]string{"pod": name}},
		Spec:       corev1.PodSpec{NodeName: ns + "-" + name, Containers: []corev1.Container{{Name: "serve", Ports: serve}}},
		Status:     corev1.PodStatus{PodIP: address.String(), Phase: corev1.PodRunning},
	}
}

// flow is one attempt to connect.
type flow struct {
	from, to string // namespace/name, or an address outside the cluster
	protocol string
	port     int32
}

// allowed decides a flow by the rules that Compile gives and Render prints, on the nodes of both ends.
func allowed(t *testing.T, w World, f flow) bool {
	t.Helper()
	from, to := resolve(t, w, f.from), resolve(t, w, f.to)
	return passes(w, from, to.address, netv1.PolicyTypeEgress, f) && passes(w, to, from.address, netv1.PolicyTypeIngress, f)
}

type end struct {
	pod     string
	node    string
	address netip.Addr
}

func resolve(t *testing.T, w World, name string) end {
	t.Helper()
	for _, p := range w.Pods {
		if p.Namespace+"/"+p.Name == name {
			return end{name, p.Spec.NodeName, netip.MustParseAddr(p.Status.PodIP)}
		}
	}
	address, err := netip.ParseAddr(name)
	if err != nil {
		t.Fatalf("%s is neither a pod nor an address", name)
	}
	return end{address: address}
}

func passes(w World, at end, peer netip.Addr, direction netv1.PolicyType, f flow) bool {
	for _, i := range Compile(at.node, w) {
		if i.Pod == at.pod && i.Direction == direction {
			return slices.ContainsFunc(i.Rules, func(r Rule) bool { return r.allows(peer, f) })
		}
	}
	return true
}

func (r Rule) allows(peer netip.Addr, f flow) bool {
	switch {
	case r.Addresses != nil && !slices.Contains(r.Addresses, peer):
	case r.Block.IsValid() && !r.Block.Contains(peer):
	case slices.ContainsFunc(r.Except, func(p netip.Prefix) bool { return p.Contains(peer) }):
	case r.Protocol != "" && r.Protocol != f.protocol:
	case r.First != 0 && (f.port < r.First || f.port > r.Last):
	default:
		return true
	}
	return false
}

// expect tries TCP on port 80 from every pod to the target, and wants exactly these to pass.
func expect(t *testing.T, w World, target string, port int32, senders ...string) {
	t.Helper()
	for _, p := range w.Pods {
		name := p.Namespace + "/" + p.Name
		if name == target {
			continue
		}
		want := slices.Contains(senders, name)
		if got := allowed(t, w, flow{name, target, "tcp", port}); got != want {
			t.Errorf("%s -> %s:%d: allowed is %v, not %v", name, target, port, got, want)
		}
	}
}

var everybody = []string{"x/a", "x/b", "x/c", "y/a", "y/b", "y/c", "z/a", "z/b", "z/c"}

func except(list []string, names ...string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(n string) bool { return slices.Contains(names, n) })
}

func ingress(name string, selector map[string]string, rules ...netv1.NetworkPolicyIngressRule) *netv1.NetworkPolicy {
	return &netv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "x", Name: name},
		Spec: netv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: selector},
			PolicyTypes: []netv1.PolicyType{netv1.PolicyTypeIngress},
			Ingress:     rules,
		},
	}
}

func egress(name string, selector map[string]string, rules ...netv1.NetworkPolicyEgressRule) *netv1.NetworkPolicy {
	p := ingress(name, selector)
	p.Spec.PolicyTypes = []netv1.PolicyType{netv1.PolicyTypeEgress}
	p.Spec.Egress = rules
	return p
}

func pods(labels map[string]string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: labels}
}

func port(value intstr.IntOrString) netv1.NetworkPolicyPort {
	return netv1.NetworkPolicyPort{Port: &value}
}

func number(n int) netv1.NetworkPolicyPort { return port(intstr.FromInt(n)) }

func name(n string) netv1.NetworkPolicyPort { return port(intstr.FromString(n)) }

func ptr(p corev1.Protocol) *corev1.Protocol { return &p }
