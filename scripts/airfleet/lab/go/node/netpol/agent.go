// Package netpol enforces NetworkPolicies on one node of a lab: it watches the API and keeps the node's nftables table
// in step.
package netpol

import (
	"context"
	"fmt"
	"log"
	"os/exec"
	"strings"
	"sync"
	"time"

	"airfleet/lab/node/policy"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	netlisters "k8s.io/client-go/listers/networking/v1"
	"k8s.io/client-go/tools/cache"
)

// Agent keeps the node's table in step with the API.
type Agent struct {
	node       string
	pods       corelisters.PodLister
	namespaces corelisters.NamespaceLister
	policies   netlisters.NetworkPolicyLister
	changed    chan struct{}

	mu       sync.Mutex
	starting map[string]string // namespace/name -> address of pods whose status does not tell it yet
	applied  string
}

// Run enforces the policies on one node until the context ends. Socket is where starting pods are announced.
func Run(ctx context.Context, client kubernetes.Interface, node, socket string) error {
	factory := informers.NewSharedInformerFactory(client, 0)
	pods, namespaces := factory.Core().V1().Pods(), factory.Core().V1().Namespaces()
	policies := factory.Networking().V1().NetworkPolicies()
	a := &Agent{
		node:       node,
		pods:       pods.Lister(),
		namespaces: namespaces.Lister(),
		policies:   policies.Lister(),
		changed:    make(chan struct{}, 1),
		starting:   map[string]string{},
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { a.kick() },
		UpdateFunc: func(any, any) { a.kick() },
		DeleteFunc: func(any) { a.kick() },
	}
	for _, informer := range []cache.SharedIndexInformer{pods.Informer(), namespaces.Informer(), policies.Informer()} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return err
		}
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	if err := a.apply(); err != nil {
		return err
	}
	if err := a.serve(ctx, socket); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.changed:
			if err := a.apply(); err != nil {
				log.Print(err)
				time.Sleep(time.Second)
				a.kick()
			}
		}
	}
}

func (a *Agent) kick() {
	select {
	case a.changed <- struct{}{}:
	default: // a pass that has not begun yet will see this change, too
	}
}

// apply makes the kernel's table say what the caches say.
func (a *Agent) apply() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	world, err := a.world()
	if err != nil {
		return err
	}
	table := policy.Render(policy.Compile(a.node, world))
	if table == a.applied {
		return nil
	}
	start := time.Now()
	nft := exec.Command("nft", "-f", "-")
	nft.Stdin = strings.NewReader(table)
	if out, err := nft.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s\n%s", err, out, table)
	}
	a.applied = table
	log.Printf("%d policies applied in %d bytes, %s", len(world.Policies), len(table), time.Since(start).Round(time.Millisecond))
	return nil
}

func (a *Agent) world() (policy.World, error) {
	var w policy.World
	var err error
	if w.Pods, err = a.pods.List(labels.Everything()); err != nil {
		return w, err
	}
	if w.Namespaces, err = a.namespaces.List(labels.Everything()); err != nil {
		return w, err
	}
	if w.Policies, err = a.policies.List(labels.Everything()); err != nil {
		return w, err
	}
	w.Pods = a.withStarting(w.Pods)
	return w, nil
}

// withStarting gives pods that were announced the address that their status lacks, and forgets those that have it.
func (a *Agent) withStarting(pods []*corev1.Pod) []*corev1.Pod {
	known := map[string]bool{}
	for i, p := range pods {
		key := p.Namespace + "/" + p.Name
		known[key] = true
		address, announced := a.starting[key]
		switch {
		case !announced:
		case p.Status.PodIP == "":
			pods[i] = p.DeepCopy()
			pods[i].Status.PodIP = address
		default:
			delete(a.starting, key)
		}
	}
	for key := range a.starting {
		if !known[key] {
			delete(a.starting, key)
		}
	}
	return pods
}
