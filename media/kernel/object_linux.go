package kernel

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// object is relay.bpf.c, built by ./build: BPF bytecode for little-endian
// machines, the same for amd64 and arm64.
//
//go:embed relay.bpf.o
var object []byte

// program is what was loaded into the kernel.
type program struct {
	Ether  *ebpf.Program `ebpf:"ringdown_ether"`
	Bare   *ebpf.Program `ebpf:"ringdown_bare"`
	Ports  *ebpf.Map     `ebpf:"ringdown_ports"`
	Rules  *ebpf.Map     `ebpf:"ringdown_rules"`
	States *ebpf.Map     `ebpf:"ringdown_states"`
	Tap    *ebpf.Map     `ebpf:"ringdown_tap"`

	states []byte // States, mapped
}

func load(flows, ringBytes int) (*program, error) {
	if err := privileged(); err != nil {
		return nil, err
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		return nil, fmt.Errorf("%w: embedded program: %w", ErrUnsupported, err)
	}
	for _, name := range []string{"ringdown_ports", "ringdown_rules", "ringdown_states"} {
		spec.Maps[name].MaxEntries = uint32(flows)
	}
	least := max(ringBytes, os.Getpagesize())
	spec.Maps["ringdown_tap"].MaxEntries = 1 << bits.Len(uint(least-1))
	var p program
	if err := spec.LoadAndAssign(&p, nil); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, refusal(err))
	}
	size := (flows*int(unsafe.Sizeof(state{})) + os.Getpagesize() - 1) &^ (os.Getpagesize() - 1)
	if p.states, err = unix.Mmap(p.States.FD(), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		p.close()
		return nil, fmt.Errorf("%w: map the counters: %w", ErrUnsupported, err)
	}
	return &p, nil
}

// state is that of a slot, in the kernel's memory.
func (p *program) state(slot uint32) *state {
	return (*state)(unsafe.Pointer(&p.states[uintptr(slot)*unsafe.Sizeof(state{})]))
}

func (p *program) close() {
	p.Ether.Close()
	p.Bare.Close()
	for _, m := range []*ebpf.Map{p.Ports, p.Rules, p.States, p.Tap} {
		m.Close()
	}
	if p.states != nil {
		unix.Munmap(p.states)
	}
}

// privileged says which capabilities are missing.
func privileged() error {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil // the kernel will tell
	}
	has, err := effective(string(status))
	if err != nil {
		return nil
	}
	if has>>unix.CAP_SYS_ADMIN&1 == 1 {
		has |= 1 << unix.CAP_BPF
	}
	var missing []string
	for _, c := range []struct {
		bit  uint
		name string
	}{{unix.CAP_BPF, "CAP_BPF"}, {unix.CAP_NET_ADMIN, "CAP_NET_ADMIN"}} {
		if has>>c.bit&1 == 0 {
			missing = append(missing, c.name)
		}
	}
	if missing != nil {
		return fmt.Errorf("%w: the process lacks %s", ErrUnsupported, strings.Join(missing, " and "))
	}
	return nil
}

// effective reads the set of effective capabilities from a /proc/self/status.
func effective(status string) (uint64, error) {
	for line := range strings.Lines(status) {
		if v, ok := strings.CutPrefix(line, "CapEff:"); ok {
			return strconv.ParseUint(strings.TrimSpace(v), 16, 64)
		}
	}
	return 0, errors.New("no CapEff")
}

// refusal tells in one line why the kernel did not load the program.
func refusal(err error) error {
	var verifier *ebpf.VerifierError
	switch {
	case errors.As(err, &verifier) && len(verifier.Log) > 0:
		last := verifier.Log
		if len(last) > 2 {
			last = last[len(last)-2:]
		}
		return fmt.Errorf("kernel %s refuses the program: %w: %s", release(), verifier.Cause, strings.Join(last, "; "))
	case errors.Is(err, ebpf.ErrNotSupported):
		return fmt.Errorf("kernel %s is too old (6.6 is needed): %w", release(), err)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("kernel %s forbids it, in spite of the capabilities (a container, a lockdown or seccomp does): %w", release(), err)
	case errors.Is(err, unix.ENOSYS):
		return fmt.Errorf("kernel %s was built without BPF, or seccomp hides it: %w", release(), err)
	}
	return fmt.Errorf("kernel %s: %w", release(), err)
}

func release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "of unknown release"
	}
	return unix.ByteSliceToString(u.Release[:])
}
