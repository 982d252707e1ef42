package policy

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func named(port netv1.NetworkPolicyPort) bool {
	return port.Port != nil && port.Port.Type == intstr.String
}

// ports gives the part of a rule that says on which ports, one for each entry. Named ports are looked up in the pod that
// receives the traffic; a name that it does not have allows nothing. No entries mean all traffic.
func ports(list []netv1.NetworkPolicyPort, receiver *pod) []Rule {
	if len(list) == 0 {
		return []Rule{{}}
	}
	var found []Rule
	for _, entry := range list {
		protocol := protocolName(entry.Protocol)
		switch {
		case entry.Port == nil:
			found = append(found, Rule{Protocol: protocol})
		case named(entry):
			for _, number := range numbersOf(entry.Port.StrVal, protocol, receiver) {
				found = append(found, Rule{Protocol: protocol, First: number, Last: number})
			}
		default:
			last := entry.Port.IntVal
			if entry.EndPort != nil {
				last = *entry.EndPort
			}
			found = append(found, Rule{Protocol: protocol, First: entry.Port.IntVal, Last: last})
		}
	}
	return found
}

func numbersOf(name, protocol string, p *pod) []int32 {
	if p == nil {
		return nil
	}
	var found []int32
	// only init containers that go on running (sidecars) can receive anything, but a port's name is unique in its pod
	for _, container := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		for _, port := range container.Ports {
			if port.Name == name && protocolName((*corev1.Protocol)(&port.Protocol)) == protocol {
				found = append(found, port.ContainerPort)
			}
		}
	}
	return found
}
