// SPDX-License-Identifier: Apache-2.0

// What is read of a packet.

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
