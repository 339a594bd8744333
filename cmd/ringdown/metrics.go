package main

import (
	"runtime/metrics"
	"strconv"

	"ringdown/api"
	"ringdown/media"
	"ringdown/media/relay"
)

// liveStates are the states of call.status a live call can be in.
var liveStates = []string{"received", "screening", "routing", "ringing", "in-progress", "ended"}

// outcomes are the final values of call.status.
var outcomes = []string{"completed", "busy", "no-answer", "failed", "canceled", "rejected", "abandoned"}

// goMetrics are those of the process: what it holds when nobody calls is what
// it gives back.
func goMetrics(m *api.Metrics) {
	read := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/sched/goroutines:goroutines"}, {Name: "/memory/classes/total:bytes"}}
	metrics.Read(read)
	m.Gauge("ringdown_heap_live_bytes", "Bytes that the last garbage collection found in use.", float64(read[0].Value.Uint64()))
	m.Gauge("ringdown_goroutines", "Goroutines.", float64(read[1].Value.Uint64()))
	m.Gauge("ringdown_memory_bytes", "Bytes that the Go runtime has from the system.", float64(read[2].Value.Uint64()))
}

func (n *node) callMetrics(m *api.Metrics) {
	s := n.board.Stats()
	for _, state := range liveStates {
		m.Gauge("ringdown_calls", "Live calls by state; ended: legs are still going away.", float64(s.Live[state]), "state", state)
	}
	for _, o := range outcomes {
		m.Counter("ringdown_calls_ended_total", "Calls ended, by outcome.", float64(s.Outcomes[o]), "outcome", o)
	}
	draining := 0.0
	if s.Draining {
		draining = 1
	}
	m.Gauge("ringdown_draining", "1 while new calls are refused because the node stops.", draining)
	m.Counter("ringdown_call_signals_dropped_total", "Progress signals dropped by full mailboxes.", float64(s.Dropped))
	m.Counter("ringdown_call_signals_stray_total", "Signals that meant nothing in the state they came in.", float64(s.Stray))
	m.Counter("ringdown_call_panics_total", "Calls ended by a panic in them.", float64(s.Panics))
}

func (n *node) sipMetrics(m *api.Metrics) {
	s := n.sip.Stats()
	for method, v := range s.Requests {
		m.Counter("ringdown_sip_requests_total", "SIP requests received and parsed, by method.", float64(v), "method", method)
	}
	for class, v := range s.Responses {
		m.Counter("ringdown_sip_responses_total", "SIP responses sent, by class.", float64(v), "class", class)
	}
	for class, v := range s.Answers {
		m.Counter("ringdown_sip_answers_total", "SIP responses received, by class.", float64(v), "class", class)
	}
	for reason, v := range s.Drops {
		m.Counter("ringdown_sip_dropped_total", "SIP messages not handled, by reason.", float64(v), "reason", reason)
	}
	for why, v := range s.Failovers {
		m.Counter("ringdown_sip_failovers_total", "Calls that went on to another address of their target, by why.", float64(v), "why", why)
	}
	for _, t := range s.Targets {
		target := strconv.Itoa(t.Target)
		m.Gauge("ringdown_sip_target_addresses", "Addresses of a trunk's target, by whether calls go there or it has been left.", float64(t.Up), "trunk", t.Trunk, "target", target, "state", "up")
		m.Gauge("ringdown_sip_target_addresses", "Addresses of a trunk's target, by whether calls go there or it has been left.", float64(t.Left), "trunk", t.Trunk, "target", target, "state", "left")
	}
	n.dnsMetrics(m)
	m.Gauge("ringdown_sip_legs", "Live SIP legs.", float64(s.Legs))
	m.Gauge("ringdown_sip_transactions", "SIP transactions that are not over, those that only wait for repetitions included.", float64(s.Transactions))
	m.Gauge("ringdown_sip_connections", "Open TCP connections.", float64(s.Streams))
	for trunk, state := range s.Registrations {
		m.Gauge("ringdown_sip_registrations", "Registrations of ours, 1 in the state each is in: trying, registered, failed or left.", 1, "trunk", trunk, "state", state)
	}
	for trunk, phones := range s.Phones {
		m.Gauge("ringdown_sip_phones", "Phones that users of a trunk have registered with us.", float64(phones), "trunk", trunk)
	}
	m.Counter("ringdown_sip_bans_total", "Bans of addresses that belong to no trunk.", float64(s.Bans))
	m.Gauge("ringdown_sip_banned", "Addresses that are banned now.", float64(s.Banned))
	m.Counter("ringdown_sip_panics_total", "Handlers that panicked.", float64(s.Panics))
}

func (n *node) dnsMetrics(m *api.Metrics) {
	s := n.sip.Stats().DNS
	m.Counter("ringdown_dns_questions_total", "Questions sent to name servers.", float64(s.Asked))
	m.Counter("ringdown_dns_cache_hits_total", "Questions answered from the cache.", float64(s.Hits))
	m.Counter("ringdown_dns_failed_total", "Questions that no name server could answer.", float64(s.Failed))
	m.Counter("ringdown_dns_stale_total", "Questions answered with what was known before, because no name server did.", float64(s.Stale))
	m.Counter("ringdown_dns_stray_total", "Datagrams that were no answer to what was asked.", float64(s.Stray))
	m.Counter("ringdown_dns_refused_total", "Addresses in answers that nothing is sent to.", float64(s.Refused))
	m.Gauge("ringdown_dns_cached", "Answers kept.", float64(s.Cached))
}

func (n *node) mediaMetrics(m *api.Metrics) {
	s := n.pool.Stats()
	m.Gauge("ringdown_relays", "Open relays.", float64(s.Relays))
	m.Gauge("ringdown_media_port_pairs", "Pairs of media ports; a call takes two.", float64(s.Free), "state", "free")
	m.Gauge("ringdown_media_port_pairs", "Pairs of media ports; a call takes two.", float64(s.Quarantined), "state", "quarantine")
	m.Counter("ringdown_rtp_packets_total", "RTP packets relayed.", float64(s.RTP))
	m.Counter("ringdown_rtp_bytes_total", "Bytes of relayed RTP packets, headers included.", float64(s.Bytes))
	m.Counter("ringdown_rtcp_packets_total", "RTCP packets read.", float64(s.RTCP))
	for d, v := range s.Drops {
		m.Counter("ringdown_media_dropped_total", "Media packets not relayed, by reason.", float64(v), "reason", media.Drop(d).String())
	}
	m.Histogram("ringdown_media_mos", "How well parties of ended calls were heard: MOS of listening (ITU-T G.107).", relay.MOSBounds[:], s.MOS.Buckets[:], s.MOS.Sum)
	m.Counter("ringdown_media_converted_total", "Directions of calls that were converted to another codec or packet time.", float64(s.Converted))
	engine := n.pool.Engine().Name
	m.Gauge("ringdown_media_engine", "1 for the media engine that was chosen at the start.", 1, "engine", engine)
	m.Gauge("ringdown_media_kernel_directions", "Directions of calls that the kernel engine forwards now; a call has two.", float64(s.Below))
	m.Counter("ringdown_media_moves_total", "Moves of directions of calls into the kernel and back to the sockets.", float64(s.Down), "to", "kernel")
	m.Counter("ringdown_media_moves_total", "Moves of directions of calls into the kernel and back to the sockets.", float64(s.Up), "to", "socket")
	m.Counter("ringdown_media_kernel_refused_total", "Times the kernel engine did not take a direction, which then passed by the socket.", float64(s.Refused))
	m.Counter("ringdown_media_uncopied_total", "Packets that the kernel engine forwarded without the copy that a recording was to get.", float64(s.Uncopied))
	m.Counter("ringdown_media_panics_total", "Packets that made a handler panic.", float64(s.Panics))
}

func (n *node) eventMetrics(m *api.Metrics) {
	o, b := n.outbox.Stats(), n.bus.Stats()
	m.Gauge("ringdown_outbox_backlog", "Events on the disk that the broker has not acknowledged.", float64(o.Backlog))
	m.Gauge("ringdown_outbox_queued", "Events in memory waiting for the disk.", float64(o.Queued))
	m.Gauge("ringdown_outbox_bytes", "Bytes of the event log on the disk.", float64(o.Bytes))
	m.Counter("ringdown_outbox_events_total", "Events made durable.", float64(o.Appended))
	m.Counter("ringdown_outbox_late_total", "Events durable more than 25 ms after they were told.", float64(o.Late))
	m.Counter("ringdown_outbox_refused_total", "Events that could not be stored.", float64(o.Refused))
	m.Counter("ringdown_outbox_faults_total", "Writes or syncs that failed.", float64(o.Faults))
	m.Counter("ringdown_outbox_quarantined_total", "Records that do not read as they were written.", float64(o.Quarantined))
	connected := 0.0
	if b.Connected {
		connected = 1
	}
	m.Gauge("ringdown_nats_connected", "1 while the broker is reached.", connected)
	m.Gauge("ringdown_nats_backlog_seconds", "Age of the oldest event being delivered.", b.Age.Seconds())
	m.Counter("ringdown_nats_published_total", "Events acknowledged by the broker.", float64(b.Published))
	m.Counter("ringdown_nats_found_total", "Events that were in the stream already: a lost acknowledgement.", float64(b.Found))
	m.Counter("ringdown_nats_retries_total", "Deliveries that failed and were tried again.", float64(b.Retries))
	m.Counter("ringdown_nats_conflicts_total", "Events whose id was taken by another: an alarm.", float64(b.Conflicts))
}

func (n *node) recorderMetrics(m *api.Metrics) {
	s := n.recorder.Stats()
	m.Gauge("ringdown_recordings_open", "Open recordings.", float64(s.Open))
	m.Gauge("ringdown_recorder_lag_seconds", "Age of the oldest packet that is not written, of all open recordings.", s.LagMax.Seconds())
	m.Gauge("ringdown_recorder_sync_seconds", "Slowest sync of the last round.", s.SyncMax.Seconds())
	m.Counter("ringdown_recorder_dropped_total", "Packets that came to a recording and were not kept.", float64(s.Dropped))
	m.Counter("ringdown_recorder_bytes_total", "Bytes written.", float64(s.Written))
	m.Counter("ringdown_recordings_completed_total", "Recordings sealed and signed.", float64(s.Completed))
	m.Counter("ringdown_recordings_failed_total", "Times a recording could not be opened or went on unwritten.", float64(s.Failed))
	m.Counter("ringdown_recordings_recovered_total", "Parts finished after a crash.", float64(s.Recovered))
}
