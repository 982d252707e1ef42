package main

import (
	"context"
	"net"
	"time"
)

// lookup asks one name server for one name; it fails unless there is an answer.
func lookup(name, server string) error {
	resolver := &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: time.Second}).DialContext(ctx, network, server)
		},
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_, err := resolver.LookupHost(ctx, name+".")
	return err
}
