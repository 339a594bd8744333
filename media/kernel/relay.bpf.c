//go:build ignore
// SPDX-License-Identifier: Apache-2.0

// The kernel engine's program: it runs on the way in of an interface and
// forwards the RTP packets that a rule describes, with new addresses and ports.
// Every other packet goes on to whoever had it without us ("up": to the next
// program, and at last to the socket of its port).
//
// The Go side is flow.go (what a rule means), tables.go (the same structures)
// and object.go. Rebuild with ./build.

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define NEXT (-1) // TCX_NEXT: whoever comes after us decides
#define DROP 2	  // TC_ACT_SHOT
#define HOST 0	  // PACKET_HOST
#define LO 1	  // the loopback device of every network namespace

#define LONGEST 1500 // bytes of a datagram that is forwarded here
#define DROPOUT 3000 // RFC 3550 A.1
#define MISORDER 100
#define CYCLE (1 << 16)
#define JUMP 2	 // seconds: a change of transit time that no network makes
#define NOBODY 1 // device of a rule whose receiver is on this machine is LO

#define always static __always_inline

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
	__u32 device;			// where the receiver is reached; 0: it is not
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
	__u64 source, rate, failed;		 // dropped
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
} ports SEC(".maps"); // our port to slot

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rule);
} rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct state);
} states SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct copied);
} desk SEC(".maps"); // where a copy is put together

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} tap SEC(".maps");

struct rtp {
	__u8 first, type; // V P X CC, M PT
	__u16 seq;
	__u32 ts, ssrc;
};

// packet is what is read of one that comes in. Offsets count from skb->data.
struct packet {
	union {
		struct iphdr four;
		struct ipv6hdr six;
	};
	struct udphdr udp;
	struct rtp rtp;
	struct place from, to;
	__u32 net, end; // of its IP header, of its last byte
	__u32 body;	// its payload's offset
	__u32 length;	// and bytes
	bool is_six;
};

always bool same(const struct place *a, const struct place *b)
{
	return a->addr[0] == b->addr[0] && a->addr[1] == b->addr[1] && a->addr[2] == b->addr[2] &&
	       a->addr[3] == b->addr[3] && a->port == b->port;
}

// FIRST keeps the compiler from adding an index to the rule's address before the
// offset of the array: without CAP_PERFMON the verifier holds each sum on its own
// against the bounds, and the rule begins with its lock.
#define FIRST(array) asm volatile("" : "+r"(array))

always __u8 leaving(const __u8 *becomes, __u8 type)
{
	FIRST(becomes);
	return becomes[type & 127];
}

always bool has(const __u64 *set, __u8 type)
{
	FIRST(set);
	return set[type >> 6 & 1] >> (type & 63) & 1;
}

always bool read_four(struct __sk_buff *skb, struct packet *p)
{
	struct iphdr *ip = &p->four;
	if (bpf_skb_load_bytes(skb, p->net, ip, sizeof *ip))
		return false;
	__u32 total = bpf_ntohs(ip->tot_len);
	if (*(__u8 *)ip != 0x45 || ip->protocol != IPPROTO_UDP || ip->frag_off & bpf_htons(0x3fff) || ip->ttl <= 1)
		return false;
	p->body = p->net + sizeof *ip + sizeof p->udp;
	p->end = p->net + total;
	p->from.addr[2] = p->to.addr[2] = bpf_htonl(0xffff);
	p->from.addr[3] = ip->saddr;
	p->to.addr[3] = ip->daddr;
	return true;
}

always bool read_six(struct __sk_buff *skb, struct packet *p)
{
	struct ipv6hdr *ip = &p->six;
	if (bpf_skb_load_bytes(skb, p->net, ip, sizeof *ip))
		return false;
	if (ip->version != 6 || ip->nexthdr != IPPROTO_UDP || ip->hop_limit <= 1)
		return false;
	p->is_six = true;
	p->body = p->net + sizeof *ip + sizeof p->udp;
	p->end = p->net + sizeof *ip + bpf_ntohs(ip->payload_len);
	__builtin_memcpy(p->from.addr, &ip->saddr, 16);
	__builtin_memcpy(p->to.addr, &ip->daddr, 16);
	return true;
}

// read reports whether this is a whole UDP datagram for this machine, and takes
// it apart. A frame of a VLAN is its VLAN device's to see; a priority tag (VLAN
// 0) belongs to nobody. What GRO has merged are several datagrams.
always bool read(struct __sk_buff *skb, struct packet *p, __u32 link)
{
	if (skb->pkt_type != HOST || skb->gso_size || skb->vlan_present && skb->vlan_tci & 0xfff)
		return false;
	p->net = link;
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (!read_four(skb, p))
			return false;
	} else if (skb->protocol != bpf_htons(ETH_P_IPV6) || !read_six(skb, p)) {
		return false;
	}
	if (p->end > skb->len || p->end < p->body ||
	    bpf_skb_load_bytes(skb, p->body - sizeof p->udp, &p->udp, sizeof p->udp))
		return false;
	p->length = p->end - p->body;
	p->from.port = p->udp.source;
	p->to.port = p->udp.dest;
	return bpf_ntohs(p->udp.len) == p->length + sizeof p->udp && (p->udp.check || !p->is_six);
}

// sound reads the RTP header and holds every length in it against the packet's,
// as parseRTP of media/relay does. RTCP (RFC 5761 4), STUN and DTLS are not RTP.
always bool sound(struct __sk_buff *skb, struct packet *p)
{
	struct rtp *h = &p->rtp;
	if (p->length < sizeof *h || p->length > LONGEST || bpf_skb_load_bytes(skb, p->body, h, sizeof *h))
		return false;
	if (h->first >> 6 != 2 || h->type >= 192 && h->type <= 223)
		return false;
	__u32 start = sizeof *h + 4 * (h->first & 15);
	if (h->first & 0x10) {
		__u16 extension[2];
		if (start + 4 > p->length || bpf_skb_load_bytes(skb, p->body + start, extension, 4))
			return false;
		start += 4 + 4 * bpf_ntohs(extension[1]);
	}
	if (start > p->length)
		return false;
	if (h->first & 0x20) {
		__u8 pad;
		if (bpf_skb_load_bytes(skb, p->end - 1, &pad, 1) || !pad || start + pad > p->length)
			return false;
	}
	return true;
}

// begin starts to follow a sequence at a packet.
always void begin(struct state *s, __u16 seq)
{
	s->max = s->base = CYCLE + seq; // lower ones may still come
	s->seen = 1;
	s->bad = 0;
	s->started = true;
}

// late takes a packet that lies behind the newest one.
always bool late(struct state *s, struct counts *c, __u32 behind)
{
	__u32 at = s->max - behind;
	if (behind < 64) {
		if (s->seen >> behind & 1) {
			c->duplicates++;
			return false;
		}
		s->seen |= 1ULL << behind;
	}
	if ((__s32)(at - s->base) < 0) {
		c->expected += s->base - at;
		s->base = at;
	}
	c->reordered++;
	c->unique++;
	return true;
}

// order follows the sequence numbers (RFC 3550 A.1) and reports whether the
// packet's timing means anything.
always bool order(struct state *s, struct counts *c, __u16 seq)
{
	__u16 ahead = seq - (__u16)s->max;
	if (ahead == 0) {
		c->duplicates++;
		return false;
	}
	if (ahead < DROPOUT) {
		s->max += ahead;
		s->bad = 0;
		s->seen = ahead < 64 ? s->seen << ahead | 1 : 1;
		c->expected += ahead;
		c->unique++;
		return true;
	}
	if (ahead >= CYCLE - MISORDER)
		return late(s, c, (__u16)-ahead);
	if (s->bad != CYCLE + seq) { // a leap is believed the second time
		s->bad = CYCLE + (__u16)(seq + 1);
		return false;
	}
	begin(s, seq);
	s->timing = false;
	c->expected++;
	c->unique++;
	return true;
}

// follow tells the source apart from a second one beside it, which takes its
// place with two packets in sequence.
always bool follow(struct state *s, struct counts *c, const struct rtp *h)
{
	__u16 seq = bpf_ntohs(h->seq);
	if (!s->started) {
		s->ssrc = h->ssrc;
		s->first_seq = seq;
		begin(s, seq);
		c->expected++;
		c->unique++;
		return true;
	}
	if (h->ssrc == s->ssrc) {
		c->foreign += s->other_run;
		s->other_run = false;
		return order(s, c, seq);
	}
	if (s->other_run && s->other == h->ssrc && (__u16)(s->other_seq + 1) == seq) {
		begin(s, s->other_seq);
		s->ssrc = h->ssrc;
		s->other_run = s->timing = false;
		c->expected++;
		c->unique++;
		return order(s, c, seq);
	}
	c->foreign += s->other_run;
	s->other = h->ssrc;
	s->other_seq = seq;
	s->other_run = true;
	return false;
}

// time measures the interarrival jitter (RFC 3550 A.8).
always void time(struct state *s, __u32 clock, __u32 ts, __u64 now)
{
	__u32 transit = (__u32)(now / 1000 * clock / 1000000) - ts;
	__s32 d = transit - s->transit;
	bool measured = s->timing;
	s->transit = transit;
	s->timing = true;
	if (d < 0)
		d = -d;
	if (measured && (__u32)d <= JUMP * clock)
		s->jitter += d - ((s->jitter + 8) >> 4);
}

enum verdict { UP, OVER, FORWARD };

// way is what forwarding needs of a rule.
struct way {
	struct place out, to;
	__u64 tag;
	__u32 device;
	__u16 flags;
	__u8 tos, type;
};

// passes is the packet-rate cap: a leaky bucket, as in media/relay/rate.go.
always bool passes(struct state *s, const struct rule *r, __u64 now)
{
	if (s->full < now)
		s->full = now;
	if (s->full - now >= r->burst)
		return false;
	s->full += r->every;
	return true;
}

// judge decides about a packet, and counts. The caller holds the rule's lock, and
// gets what he needs without it.
always enum verdict judge(const struct rule *r, struct state *s, struct counts *c, const struct packet *p,
			  bool is_sound, __u64 now, struct way *w)
{
	__u8 type = p->rtp.type & 127;
	if (!same(&p->from, &r->from)) {
		if (r->flags & ONLY) {
			c->source++;
			return OVER;
		}
		c->up_source++;
		return UP;
	}
	if (!is_sound) {
		c->up_form++;
		return UP;
	}
	if (!has(r->types, type)) {
		c->up_type++;
		return UP;
	}
	if (!r->device || p->end - p->net > r->mtu) {
		c->up_way++;
		return UP;
	}
	if (!passes(s, r, now)) {
		c->rate++;
		return OVER;
	}
	if (!c->packets++)
		c->first = now;
	c->last = now;
	c->bytes += p->length;
	s->pt = type;
	s->ts = p->rtp.ts;
	if (follow(s, c, &p->rtp) && r->clock && has(r->timed, type))
		time(s, r->clock, bpf_ntohl(p->rtp.ts), now);
	w->out = r->out;
	w->to = r->to;
	w->tag = r->tag;
	w->device = r->device;
	w->flags = r->flags;
	w->tos = r->tos;
	w->type = leaving(r->becomes, type);
	return FORWARD;
}

// copy gives the packet to the tap.
always void copy(struct __sk_buff *skb, const struct packet *p, __u64 tag, __u64 now, struct counts *c)
{
	__u32 zero = 0, length = p->length;
	struct copied *to = bpf_map_lookup_elem(&desk, &zero);
	if (to && length >= sizeof p->rtp && length <= LONGEST) {
		to->tag = tag;
		to->at = now;
		if (!bpf_skb_load_bytes(skb, p->body, to->data, length) &&
		    !bpf_ringbuf_output(&tap, to, offsetof(struct copied, data) + length, BPF_RB_NO_WAKEUP))
			return;
	}
	__sync_fetch_and_add(&c->uncopied, 1);
}

always __u16 fold(__s64 sum)
{
	__u32 s = sum;
	s = (s >> 16) + (s & 0xffff);
	return ~((s >> 16) + s);
}

// rewrite_four writes the IP header that a socket of ours would have written:
// not to be fragmented, hence without an identification (RFC 6864). It returns
// what the addresses change in sums.
always long rewrite_four(struct __sk_buff *skb, const struct packet *p, const struct way *w, __s64 *change)
{
	struct iphdr ip = p->four;
	ip.tos = w->tos;
	ip.id = 0;
	ip.frag_off = bpf_htons(0x4000);
	ip.ttl--;
	ip.saddr = w->out.addr[3];
	ip.daddr = w->to.addr[3];
	ip.check = 0;
	ip.check = fold(bpf_csum_diff(0, 0, (__be32 *)&ip, sizeof ip, 0));
	*change = bpf_csum_diff((__be32 *)&p->four.saddr, 8, (__be32 *)&ip.saddr, 8, 0);
	return bpf_skb_store_bytes(skb, p->net, &ip, sizeof ip, BPF_F_RECOMPUTE_CSUM);
}

always long rewrite_six(struct __sk_buff *skb, const struct packet *p, const struct way *w, __s64 *change)
{
	struct ipv6hdr ip = p->six;
	*(__be32 *)&ip = bpf_htonl(6 << 28 | w->tos << 20);
	ip.hop_limit--;
	__builtin_memcpy(&ip.saddr, w->out.addr, 16);
	__builtin_memcpy(&ip.daddr, w->to.addr, 16);
	*change = bpf_csum_diff((__be32 *)&p->six.saddr, 32, (__be32 *)&ip.saddr, 32, 0);
	return bpf_skb_store_bytes(skb, p->net, &ip, sizeof ip, BPF_F_RECOMPUTE_CSUM);
}

// rewrite makes the packet ours. The UDP sum is changed by what changes under
// it, never made anew: what came damaged stays so. Addresses and the rest are
// told apart because of sums that the sending device was to finish (those hold
// the addresses only).
always bool rewrite(struct __sk_buff *skb, const struct packet *p, const struct way *w)
{
	const __u32 udp = p->body - sizeof p->udp, sum = udp + offsetof(struct udphdr, check);
	__u32 before[2] = {*(__u32 *)&p->udp, *(__u32 *)&p->rtp}, after[2];
	struct rtp h = p->rtp;
	h.type = (h.type & 128) | w->type;
	after[0] = w->out.port | (__u32)w->to.port << 16;
	after[1] = *(__u32 *)&h;
	__s64 change;
	if (p->is_six ? rewrite_six(skb, p, w, &change) : rewrite_four(skb, p, w, &change))
		return false;
	if (bpf_l4_csum_replace(skb, sum, 0, change, BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0))
		return false;
	change = bpf_csum_diff(before, sizeof before, after, sizeof after, 0);
	return !bpf_l4_csum_replace(skb, sum, 0, change, BPF_F_MARK_MANGLED_0) &&
	       !bpf_skb_store_bytes(skb, udp, &after[0], 4, 0) &&
	       !bpf_skb_store_bytes(skb, p->body, &after[1], 4, 0);
}

// send has the packet leave, or be delivered here.
always int send(struct __sk_buff *skb, __u32 device, __u32 link)
{
	if (device == LO && skb->ifindex == LO)
		return NEXT; // it is on its way to a socket, now to another one
	if (!link && bpf_skb_change_head(skb, ETH_HLEN, 0))
		return DROP;
	return bpf_redirect_neigh(device, 0, 0, 0);
}

always int relay(struct __sk_buff *skb, __u32 link)
{
	struct packet p = {};
	if (!read(skb, &p, link))
		return NEXT;
	__u32 *slot = bpf_map_lookup_elem(&ports, &p.to);
	if (!slot)
		return NEXT;
	__u32 key = *slot;
	struct rule *r = bpf_map_lookup_elem(&rules, &key);
	struct state *s = bpf_map_lookup_elem(&states, &key);
	if (!r || !s)
		return NEXT;
	if (r->flags & LOOPBACK && skb->ifindex != LO)
		return NEXT; // from a network nobody is 127.0.0.1
	if (!p.is_six && fold(bpf_csum_diff(0, 0, (__be32 *)&p.four, sizeof p.four, 0)))
		return NEXT;
	bool is_sound = sound(skb, &p);
	__u64 now = bpf_ktime_get_ns();
	enum verdict verdict = UP;
	struct counts *c = 0;
	struct way w = {};
	bpf_spin_lock(&r->lock);
	if (same(&p.to, &r->in)) { // else the slot has another flow by now
		c = &s->half[r->flags & HALF ? 1 : 0];
		verdict = judge(r, s, c, &p, is_sound, now, &w);
	}
	bpf_spin_unlock(&r->lock);
	if (verdict == UP || !c)
		return NEXT;
	if (verdict == OVER)
		return DROP;
	if (w.flags & COPY)
		copy(skb, &p, w.tag, now, c);
	if (skb->vlan_present && bpf_skb_vlan_pop(skb) || skb->len > p.end && bpf_skb_change_tail(skb, p.end, 0) ||
	    !rewrite(skb, &p, &w)) {
		__sync_fetch_and_add(&c->failed, 1);
		return DROP;
	}
	return send(skb, w.device, link);
}

// Interfaces with Ethernet frames, the loopback device among them.
SEC("tc")
int relay_ether(struct __sk_buff *skb)
{
	return relay(skb, ETH_HLEN);
}

// Interfaces whose packets begin with their IP header.
SEC("tc")
int relay_bare(struct __sk_buff *skb)
{
	return relay(skb, 0);
}

char _license[] SEC("license") = "Apache-2.0";
