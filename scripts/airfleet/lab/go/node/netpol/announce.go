package netpol

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// A pod is announced by the network plugin as soon as it has an address and before anything in it runs: its status tells
// the address up to a second later, and until then nothing would be enforced.
const announceTimeout = 8 * time.Second

// serve answers lines of "NAMESPACE NAME ADDRESS" with "ok" once the policies of that pod are enforced.
func (a *Agent) serve(ctx context.Context, socket string) error {
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		return err
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go a.answer(conn)
		}
	}()
	return nil
}

func (a *Agent) answer(conn net.Conn) {
	defer conn.Close()
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return
	}
	if err := a.announce(strings.Fields(line)); err != nil {
		log.Printf("announcement %q: %v", strings.TrimSpace(line), err)
		fmt.Fprintln(conn, err)
		return
	}
	fmt.Fprintln(conn, "ok")
}

func (a *Agent) announce(fields []string) error {
	if len(fields) != 3 {
		return errors.New("expected NAMESPACE NAME ADDRESS")
	}
	namespace, name, address := fields[0], fields[1], fields[2]
	// the kubelet may have seen the pod a moment before this agent's cache does
	for deadline := time.Now().Add(announceTimeout); ; time.Sleep(10 * time.Millisecond) {
		_, err := a.pods.Pods(namespace).Get(name)
		if err == nil {
			break
		}
		if !apierrors.IsNotFound(err) || time.Now().After(deadline) {
			return err
		}
	}
	a.mu.Lock()
	a.starting[namespace+"/"+name] = address
	a.mu.Unlock()
	return a.apply()
}
