// SPDX-License-Identifier: Apache-2.0

// What the program and the Go side have in common; tables_linux.go has the same
// structures.

// place is an address and port in network order, IPv4 as ::ffff:a.b.c.d.
struct place {
	__u32 addr[4];
	__u16 port, zero;
};

enum { COPY = 1, ONLY = 2, LOOPBACK = 4, HALF = 8 };

// rule is one flow, written by user space alone and always as a whole.
struct rule {
	struct bpf_spin_lock lock; // of this, and of the state in the same slot
	__u16 flags;
	__u8 tos, zero;
	struct place in, from, out, to; // all zero: the slot is free
	__u32 device;			// where the receiver is reached, LO: on this machine; 0: nowhere
	__u32 mtu;			// on the way there
	__u32 clock;			// of the timed types, in Hz; 0: no jitter
	__u32 zero2;
	__u64 every, burst; // nanoseconds
	__u64 tag;
	__u64 types[2]; // forwarded
	__u64 timed[2]; // measured for jitter
	__u8 becomes[128];
};

// counts only ever grow. A flow that takes the place of another counts in the
// other half, so that the one before has a last count.
struct counts {
	__u64 packets, bytes;
	__u64 expected, unique, duplicates, reordered, foreign;
	__u64 source, rate, failed;		 // dropped; failed ones are packets too
	__u64 uncopied;				 // forwarded without their copy
	__u64 up_source, up_type, up_form, up_way; // not forwarded, passed up
	__u64 first, last;			 // arrivals; 0: none
};

// state is what a flow remembers from packet to packet.
struct state {
	__u64 full; // when the bucket of the rate cap will have leaked empty
	__u64 seen; // bit i: packet max-i has come
	__u32 max, base, bad;
	__u32 ssrc, other;
	__u32 ts, transit, jitter; // jitter: times 16, RFC 3550 A.8
	__u16 other_seq;
	__u8 started, other_run, timing, pt;
	__u16 first_seq;
	struct counts half[2];
};

// copied stands before each packet in the ring.
struct copied {
	__u64 tag, at;
	__u8 data[LONGEST];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); // set when it is loaded, as below
	__type(key, struct place);
	__type(value, __u32);
} ringdown_ports SEC(".maps"); // our port to slot

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rule);
} ringdown_rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct state);
} ringdown_states SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct copied);
} ringdown_desk SEC(".maps"); // where a copy is put together

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ringdown_tap SEC(".maps");
