package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// runDoor accepts connections on a socket that was opened in the machine's network namespace and carries them to an
// address in this process's namespace: the lab stays without any route to or from the machine.
func runDoor(fd int, address string) error {
	listener, err := net.FileListener(os.NewFile(uintptr(fd), "listener"))
	if err != nil {
		return err
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go carry(conn.(*net.TCPConn), address)
	}
}

func carry(outside *net.TCPConn, address string) {
	defer outside.Close()
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		fmt.Fprintln(os.Stderr, "labinit door:", err)
		return
	}
	inside := conn.(*net.TCPConn)
	defer inside.Close()
	done := make(chan struct{})
	go func() {
		pipe(inside, outside)
		close(done)
	}()
	pipe(outside, inside)
	<-done
}

// pipe copies one direction and passes the end of the stream on, so that half-closed streams (exec, attach) work.
func pipe(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		to.Close()
		from.Close()
		return
	}
	to.CloseWrite()
}
