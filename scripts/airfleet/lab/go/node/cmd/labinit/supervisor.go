package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	firstBackoff = 500 * time.Millisecond
	lastBackoff  = 10 * time.Second
	steadyAfter  = 20 * time.Second // a daemon that ran this long starts again without a delay
)

// daemonState is one entry of the status file. PID counts in the node's pid namespace.
type daemonState struct {
	Name     string    `json:"name"`
	State    string    `json:"state"` // waiting, running, restarting or done
	PID      int       `json:"pid"`
	Starts   int       `json:"starts"`
	LastExit string    `json:"last_exit"`
	Since    time.Time `json:"since"`
}

type supervisor struct {
	spec     *nodeSpec
	listener *os.File

	mu     sync.Mutex
	states []daemonState
	exits  map[int]chan syscall.WaitStatus
}

func newSupervisor(spec *nodeSpec, listener int) *supervisor {
	s := &supervisor{spec: spec, exits: map[int]chan syscall.WaitStatus{}}
	if listener >= 0 {
		syscall.CloseOnExec(listener)
		s.listener = os.NewFile(uintptr(listener), "listener")
	}
	for _, d := range spec.Daemons {
		s.states = append(s.states, daemonState{Name: d.Name, State: "waiting", Since: time.Now()})
	}
	return s
}

func (s *supervisor) run() error {
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	s.update(func() {})
	for i := range s.spec.Daemons {
		go s.supervise(i)
	}
	for {
		select {
		case <-children:
			s.reap()
		case <-stop:
			return nil // the kernel ends everything else in this pid namespace
		}
	}
}

// reap collects every child that has exited: daemons, and orphans such as the containers' shims.
func (s *supervisor) reap() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err != nil || pid <= 0 {
			return
		}
		if exit, ours := s.exits[pid]; ours {
			exit <- status
			delete(s.exits, pid)
		}
	}
}

func (s *supervisor) supervise(i int) {
	d := s.spec.Daemons[i]
	s.waitFor(d.Wait)
	for backoff := firstBackoff; ; {
		started := time.Now()
		result := s.runOnce(i)
		if d.Once && result == "exit 0" {
			s.update(func() { s.set(i, "done", result) })
			return
		}
		if time.Since(started) >= steadyAfter {
			backoff = firstBackoff
		}
		s.update(func() { s.set(i, "restarting", result) })
		time.Sleep(backoff)
		backoff = min(2*backoff, lastBackoff)
	}
}

// runOnce starts daemon i and waits for its end, which it describes.
func (s *supervisor) runOnce(i int) string {
	exit, err := s.start(i)
	if err != nil {
		return err.Error()
	}
	status := <-exit
	if status.Signaled() {
		return "signal " + status.Signal().String()
	}
	return fmt.Sprintf("exit %d", status.ExitStatus())
}

func (s *supervisor) start(i int) (<-chan syscall.WaitStatus, error) {
	d := s.spec.Daemons[i]
	log, err := os.OpenFile(filepath.Join(s.spec.Logs, d.Name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	files := []uintptr{null.Fd(), log.Fd(), log.Fd()}
	if d.Listener {
		files = append(files, s.listener.Fd())
	}
	// the lock keeps reap from seeing the exit before the pid is known
	s.mu.Lock()
	pid, err := syscall.ForkExec(d.Argv[0], d.Argv, &syscall.ProcAttr{
		Env:   append(os.Environ(), d.Env...),
		Files: files,
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	exit := make(chan syscall.WaitStatus, 1)
	if err == nil {
		s.exits[pid] = exit
	}
	s.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Argv[0], err)
	}
	s.update(func() {
		st := &s.states[i]
		st.State, st.PID, st.Starts, st.Since = "running", pid, st.Starts+1, time.Now()
	})
	return exit, nil
}

func (s *supervisor) set(i int, state, lastExit string) {
	st := &s.states[i]
	st.State, st.PID, st.LastExit, st.Since = state, 0, lastExit, time.Now()
}

// update changes the states and replaces the status file in one step.
func (s *supervisor) update(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	raw, err := json.Marshal(s.states)
	if err == nil {
		err = os.WriteFile(s.spec.Status+".new", raw, 0o644)
	}
	if err == nil {
		err = os.Rename(s.spec.Status+".new", s.spec.Status)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "labinit: status:", err)
	}
}

func (s *supervisor) isDone(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.states {
		if st.Name == name {
			return st.State == "done"
		}
	}
	return false
}
