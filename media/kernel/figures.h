// SPDX-License-Identifier: Apache-2.0

// Loss, order and jitter (RFC 3550 6.4.1, A.1, A.3, A.8), as media/quality has them.

#define DROPOUT 3000
#define MISORDER 100
#define CYCLE (1 << 16)
#define JUMP 2 // seconds: a change of transit time that no network makes

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
