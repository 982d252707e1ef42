// Command labagent holds the lab's two Kubernetes agents: the enforcer of NetworkPolicies and the storage provisioner.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"os/signal"
	"syscall"

	"airfleet/lab/node/netpol"
	"airfleet/lab/node/provisioner"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

func main() {
	if len(os.Args) < 2 {
		log.Fatal("usage: labagent netpol|storage FLAGS")
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "how to reach the API server")
	node := flags.String("node", "", "netpol: enforce for the pods of this node")
	socket := flags.String("socket", "", "netpol: where the network plugin announces pods")
	directory := flags.String("directory", "", "storage: make volumes below this directory")
	flags.Parse(os.Args[2:]) //nolint:errcheck // ExitOnError

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		log.Fatal(err)
	}
	config.QPS, config.Burst = 100, 200
	client := kubernetes.NewForConfigOrDie(config)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	switch os.Args[1] {
	case "netpol":
		if err := netpol.Run(ctx, client, *node, *socket); err != nil {
			log.Fatal(err)
		}
	case "storage":
		provisioner.Run(ctx, client, *directory)
	default:
		log.Fatalf("unknown agent %q", os.Args[1])
	}
}
