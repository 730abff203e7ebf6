// A node of go-libp2p for go-libp2p.test.ts. It prints one line of JSON for each thing that happens.
//
//	node relay              a circuit-relay-v2 server without limits
//	node provider RELAY     reserves at RELAY, and returns every byte of /test/echo/1.0.0
//	node client ADDRESS     reaches the peer at ADDRESS, through the relay in it, and pings it
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

const deadline = time.Minute

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("no role is named"))
	}
	switch os.Args[1] {
	case "relay":
		say(started(libp2p.ForceReachabilityPublic(), libp2p.EnableRelayService(relay.WithInfiniteLimits())))
		select {}
	case "provider":
		provide(addressed(os.Args[2]))
	case "client":
		ask(addressed(os.Args[2]))
	default:
		fail(fmt.Errorf("no such role: %s", os.Args[1]))
	}
}

func started(options ...libp2p.Option) host.Host {
	node, err := libp2p.New(append(options,
		libp2p.Transport(tcp.NewTCPTransport), libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))...)
	check(err)
	return node
}

func provide(at peer.AddrInfo) {
	ctx, stop := context.WithTimeout(context.Background(), deadline)
	defer stop()
	node := started()
	node.SetStreamHandler("/test/echo/1.0.0", func(stream network.Stream) {
		_, _ = io.Copy(stream, stream)
		_ = stream.Close()
	})
	check(node.Connect(ctx, at))
	_, err := client.Reserve(ctx, node, at)
	check(err)
	say(node)
	select {}
}

func ask(of peer.AddrInfo) {
	ctx, stop := context.WithTimeout(context.Background(), deadline)
	defer stop()
	node := started()
	check(node.Connect(ctx, of))
	for _, connection := range node.Network().ConnsToPeer(of.ID) {
		if connection.Stat().Limited {
			fail(fmt.Errorf("the relay limits the circuit"))
		}
	}
	result := <-ping.Ping(ctx, node, of.ID)
	check(result.Error)
	say(node)
}

func addressed(address string) peer.AddrInfo {
	info, err := peer.AddrInfoFromString(address)
	check(err)
	return *info
}

func say(node host.Host) {
	addresses := []string{}
	for _, address := range node.Addrs() {
		addresses = append(addresses, address.String())
	}
	print(map[string]any{"id": node.ID().String(), "addresses": addresses})
}

func print(line map[string]any) {
	bytes, _ := json.Marshal(line)
	fmt.Println(string(bytes))
}

func check(err error) {
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	print(map[string]any{"error": err.Error()})
	os.Exit(1)
}
