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
	return kernelPath{e}, worksOn(e.Stats().Interfaces), nil
}

// worksOn is what an operator has to know of the engine: where it works, and that
// no rule of this machine's packet filter sees what it forwards.
func worksOn(interfaces []string) string {
	where := "no interface yet"
	if len(interfaces) > 0 {
		where = strings.Join(interfaces, ", ")
	}
	return "works on " + where + ", below the host's packet filter"
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
