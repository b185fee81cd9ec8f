// Package manager knows the nodes and sessions of the cluster, balances starts over
// the nodes, and counts the limits.
//
// All it knows is soft: it is told by heartbeats and lists, asks everyone to tell again when it
// starts or has been cut off, and writes nothing down. The ledger holds that knowledge and is a
// plain value to which messages and times are given; the Manager connects it to the
// transporter. Several managers may run; they tell each other of the starts under way.
package manager
