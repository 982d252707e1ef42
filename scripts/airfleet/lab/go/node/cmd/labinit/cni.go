package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

const cniTimeout = 10 * time.Second

// cniRequest is what a chained network plugin gets on its standard input.
type cniRequest struct {
	CNIVersion string          `json:"cniVersion"`
	Socket     string          `json:"socket"` // of the policy agent; from the network's configuration
	PrevResult json.RawMessage `json:"prevResult"`
}

// runCNI is the last plugin of the lab's network: it announces a new pod's address to the policy agent and returns when
// the pod's policies are enforced, so that nothing in the pod runs before.
func runCNI(command string) error {
	var request cniRequest
	if err := json.NewDecoder(os.Stdin).Decode(&request); err != nil {
		return err
	}
	switch command {
	case "VERSION":
		fmt.Println(`{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0","1.1.0"]}`)
	case "ADD":
		if err := announcePod(request); err != nil {
			return err
		}
		_, err := os.Stdout.Write(request.PrevResult)
		return err
	}
	return nil
}

func announcePod(request cniRequest) error {
	var previous struct {
		IPs []struct {
			Address string `json:"address"`
		} `json:"ips"`
	}
	if err := json.Unmarshal(request.PrevResult, &previous); err != nil {
		return err
	}
	args := map[string]string{}
	for _, pair := range strings.Split(os.Getenv("CNI_ARGS"), ";") {
		key, value, _ := strings.Cut(pair, "=")
		args[key] = value
	}
	if len(previous.IPs) == 0 {
		return errors.New("the plugin before this one gave the pod no address")
	}
	address, _, _ := strings.Cut(previous.IPs[0].Address, "/")
	line := fmt.Sprintf("%s %s %s\n", args["K8S_POD_NAMESPACE"], args["K8S_POD_NAME"], address)
	answer, err := ask(request.Socket, line)
	if err == nil && answer != "ok" {
		err = errors.New(answer)
	}
	return err
}

// ask tries again while the agent is not there: it starts at the same time as the first pods do.
func ask(socket, line string) (string, error) {
	deadline := time.Now().Add(cniTimeout)
	for {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			defer conn.Close()
			conn.SetDeadline(deadline) //nolint:errcheck // the read would fail, too
			if _, err = io.WriteString(conn, line); err != nil {
				return "", err
			}
			answer, err := bufio.NewReader(conn).ReadString('\n')
			return strings.TrimSpace(answer), err
		}
		if time.Now().After(deadline) {
			return "", fmt.Errorf("the policy agent does not answer: %w", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// failCNI reports an error the way the container runtime expects it.
func failCNI(err error) {
	report := map[string]any{"cniVersion": "1.0.0", "code": 100, "msg": "airfleet: " + err.Error()}
	json.NewEncoder(os.Stdout).Encode(report) //nolint:errcheck // there is nobody else to tell
	os.Exit(1)
}
