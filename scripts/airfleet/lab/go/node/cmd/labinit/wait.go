package main

import (
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"time"
)

const pollEvery = 50 * time.Millisecond

func (s *supervisor) waitFor(conditions []string) {
	for _, c := range conditions {
		for !s.holds(c) {
			time.Sleep(pollEvery)
		}
	}
}

func (s *supervisor) holds(condition string) bool {
	kind, rest, _ := strings.Cut(condition, ":")
	switch kind {
	case "done":
		return s.isDone(rest)
	case "https":
		return answersOK(condition)
	default: // unix, tcp
		conn, err := net.DialTimeout(kind, rest, time.Second)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}
}

// The question is only whether the server is up, so its certificate is not checked.
var probe = &http.Client{
	Timeout:   2 * time.Second,
	Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
}

func answersOK(url string) bool {
	response, err := probe.Get(url)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}
