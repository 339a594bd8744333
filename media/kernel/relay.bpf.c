//go:build ignore
// SPDX-License-Identifier: Apache-2.0

// The kernel engine's program: it runs on the way in of an interface and
// forwards the RTP packets that a rule describes, with new addresses and ports.
// Every other packet goes on to whoever had it without us ("up": to the next
// program, and at last to the socket of its port).
//
// The parts are tables.h (what Go shares), packet.h (reading), figures.h (loss and
// jitter) and here the judgement and the rewriting. Rebuild with ./build.

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

#define always static __always_inline

#include "tables.h"
#include "packet.h"
#include "figures.h"

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
	struct copied *to = bpf_map_lookup_elem(&ringdown_desk, &zero);
	if (to && length >= sizeof p->rtp && length <= LONGEST) {
		to->tag = tag;
		to->at = now;
		if (!bpf_skb_load_bytes(skb, p->body, to->data, length) &&
		    !bpf_ringbuf_output(&ringdown_tap, to, offsetof(struct copied, data) + length, BPF_RB_NO_WAKEUP))
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

always int relay(struct __sk_buff *skb, __u32 link)
{
	struct packet p = {};
	if (!read(skb, &p, link))
		return NEXT;
	__u32 *slot = bpf_map_lookup_elem(&ringdown_ports, &p.to);
	if (!slot)
		return NEXT;
	__u32 key = *slot;
	struct rule *r = bpf_map_lookup_elem(&ringdown_rules, &key);
	struct state *s = bpf_map_lookup_elem(&ringdown_states, &key);
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
	// On its way to a socket of this machine a packet only needs another one. To
	// leave it needs an Ethernet header, to be replaced.
	bool here = w.device == LO && skb->ifindex == LO;
	if (skb->vlan_present && bpf_skb_vlan_pop(skb) || skb->len > p.end && bpf_skb_change_tail(skb, p.end, 0) ||
	    !rewrite(skb, &p, &w) || !here && !link && bpf_skb_change_head(skb, ETH_HLEN, 0)) {
		__sync_fetch_and_add(&c->failed, 1);
		return DROP;
	}
	return here ? NEXT : bpf_redirect_neigh(w.device, 0, 0, 0);
}

// Interfaces with Ethernet frames, the loopback device among them.
SEC("tc")
int ringdown_ether(struct __sk_buff *skb)
{
	return relay(skb, ETH_HLEN);
}

// Interfaces whose packets begin with their IP header.
SEC("tc")
int ringdown_bare(struct __sk_buff *skb)
{
	return relay(skb, 0);
}

char _license[] SEC("license") = "Apache-2.0";
