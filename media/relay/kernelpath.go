package relay

import (
	"net/netip"
	"strings"
	"time"

	"ringdown/media/kernel"
)

// kernelPath is media/kernel as a fast path.
type kernelPath struct{ *kernel.Engine }

// openKernel opens the kernel engine and says where it works.
func openKernel(o pathOptions) (fastPath, string, error) {
	e, err := kernel.Open(kernel.Config{Interfaces: o.interfaces, Flows: o.flows, Tap: o.deliver}, o.log)
	if err != nil {
		return nil, "", err
	}
	where := "works on no interface yet"
	if names := e.Stats().Interfaces; len(names) > 0 {
		where = "works on " + strings.Join(names, ", ")
	}
	return kernelPath{e}, where, nil
}

func (k kernelPath) Set(p passage) (kernel.Counts, error) { return k.Engine.Set(p.flow()) }

// flow is a passage as media/kernel speaks of it.
func (p *passage) flow() kernel.Flow {
	return kernel.Flow{
		In: p.In, From: p.From, Only: p.Only, Out: p.Out, To: p.To,
		Types: p.Types, Timed: p.Timed, Clock: p.Clock, TOS: p.TOS,
		Every: time.Duration(p.Every), Burst: p.Burst, Copy: p.Copy, Tag: p.Tag,
	}
}

func (k kernelPath) Remove(in netip.AddrPort) kernel.Counts {
	last, _ := k.Engine.Remove(in)
	return last
}
