package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// nodeSpec is what the lab decided about one node; the Python side writes it (airfleet.lab.nodespec).
type nodeSpec struct {
	Hostname string            `json:"hostname"`
	Cgroups  []string          `json:"cgroups"` // directories to join, one per hierarchy
	Root     string            `json:"root"`    // the directory that becomes /
	Binds    []bind            `json:"binds"`   // what of the machine the node sees
	Links    map[string]string `json:"links"`   // symbolic links in the root: path -> target
	Files    map[string]string `json:"files"`   // small files in the root: path -> content
	Sysctls  map[string]string `json:"sysctls"` // of the node's own network namespace
	Pretend  map[string]string `json:"pretend"` // machine-wide sysctls that the kubelet is shown, and cannot change
	Logs     string            `json:"logs"`    // directory of NAME.log
	Status   string            `json:"status"`  // file that holds the daemons' state
	Daemons  []daemonSpec      `json:"daemons"`
}

type bind struct {
	From     string `json:"from"`
	To       string `json:"to"`
	ReadOnly bool   `json:"readonly"`
}

// daemonSpec is one program. Wait lists what must be true before it starts:
// unix:PATH and tcp:HOST:PORT accept connections, https://... answers 200, done:NAME has finished.
type daemonSpec struct {
	Name     string   `json:"name"`
	Argv     []string `json:"argv"`
	Env      []string `json:"env"`
	Wait     []string `json:"wait"`
	Once     bool     `json:"once"`     // runs until it succeeds, then is done
	Listener bool     `json:"listener"` // gets the inherited listening socket as descriptor 3
}

func readSpec(path string) (*nodeSpec, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	spec := &nodeSpec{}
	if err := json.Unmarshal(raw, spec); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return spec, nil
}
