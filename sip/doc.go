// Package sip speaks SIP (RFC 3261) for calls that call knows as legs: it takes
// INVITEs in (UAS legs), makes attempts (UAC legs), and turns what happens in
// their dialogs into call.Signals.
//
// It owns the sockets' reading side, the ingress screen, the dialogs and the
// exchange between call.Cause and SIP statuses. It refuses to know what a
// description says (bodies pass as bytes), who may call whom (Deps.Trunk and
// Deps.Admit) and what a call is.
//
// # What is sipgo's and what is ours
//
// The parser and the types of messages and headers are sipgo's. Its Dialog
// types, its transactions and its transport are not used: a message there runs
// in a goroutine of its own, so 180 and 200 overtake each other; it answers
// CANCEL with a tag of its own; its transactions hold whole messages for half a
// minute; its socket reader keeps every source address for ever and stops at a
// filter's error; it limits UDP to 1,300 bytes; and it cannot screen what comes
// back on a TCP connection it has dialled. What stands in their place is
// transport.go (two read loops), streams.go (connections), and transaction.go
// with client.go, server.go and timers.go. No global of sipgo is set.
//
// # Order
//
// Each leg runs its messages, timers and orders one after another in a
// [serial], in the order they came; no leg has a lock or a goroutine of its
// own. A panic inside ends that leg and nothing else.
package sip
