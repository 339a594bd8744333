package main

import (
	_ "github.com/emiago/sipgo"
	_ "github.com/goccy/go-yaml"
	_ "github.com/nats-io/nats-server/v2/server"
	_ "github.com/nats-io/nats.go"
	_ "github.com/nats-io/nats.go/jetstream"
	_ "github.com/pion/rtcp"
	_ "github.com/pion/rtp"
	_ "github.com/santhosh-tekuri/jsonschema/v6"
	_ "github.com/zaf/g711"
	_ "golang.org/x/sync/errgroup"
	_ "golang.org/x/sys/unix"
	_ "golang.org/x/time/rate"
	_ "pgregory.net/rapid"
)

func main() {}
