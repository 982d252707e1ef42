// Command labinit is the first process of a node: it gives the node a root file system of its own, starts the node's
// daemons, restarts those that die and reaps orphans. When it is killed, the kernel kills every process of the node and
// drops its mounts, which is why a lab can always be removed. It also is the door, the proxy through which the machine
// reaches the API server inside the lab's network, and the network plugin that holds a pod until its policies are in force.
package main

import (
	"fmt"
	"os"
	"strconv"
)

const usage = `usage: labinit node SPEC.json [LISTENER-FD]
       labinit door LISTENER-FD ADDRESS
       labinit lookup NAME SERVER:PORT`

func main() {
	if command := os.Getenv("CNI_COMMAND"); command != "" {
		if err := runCNI(command); err != nil {
			failCNI(err)
		}
		return
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "labinit:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "node":
		return runNode(args[1], -1)
	case len(args) == 3 && args[0] == "node":
		fd, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		return runNode(args[1], fd)
	case len(args) == 3 && args[0] == "door":
		fd, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		return runDoor(fd, args[2])
	case len(args) == 3 && args[0] == "lookup":
		return lookup(args[1], args[2])
	}
	return fmt.Errorf("%s", usage)
}

func runNode(specPath string, listener int) error {
	spec, err := readSpec(specPath)
	if err != nil {
		return err
	}
	if err := joinCgroups(spec.Cgroups); err != nil {
		return err
	}
	if err := enterRoot(spec); err != nil {
		return err
	}
	if err := applySysctls(spec); err != nil {
		return err
	}
	return newSupervisor(spec, listener).run()
}
