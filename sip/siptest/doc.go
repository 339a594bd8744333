// Package siptest is a telephone for tests, for `ringdown demo` and for the load
// generator. It speaks SIP from raw text, shares no code with sipgo or with our
// own layer, and is therefore an independent judge of both.
//
// It owns its transactions, its dialogs, G.711 over RTP in both directions, the
// signals it plays and the judgement of what it hears. It is strict: a message
// that RFC 3261 allows but a careful implementation would never send is reported
// as a [Fault], and so is every message nobody asked for. All messages are kept
// with the time they passed ([Phone.Trace]).
//
// It misbehaves only when told to: [Phone.Drop], [CallOptions], [Incoming.Fork],
// [Incoming.IgnoreCancel], [Dialog.Abandon].
//
// It refuses to resolve names, to authenticate and to route: hosts are IP
// addresses. Clocks come from package time, so a phone runs inside a
// testing/synctest bubble when its connections do (media/mediatest).
package siptest
