package daemon

import (
	"context"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
	"github.com/fastx-kit/fastx-kit/daemon/internal/nudge"
	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// nudgeOrigin is who asked for what a node accepts because another node announced it.
const nudgeOrigin = "cluster"

func newNudge(n *Node) *nudge.Nudge {
	return nudge.New(nudge.Options{Seen: n.seenFiles, Announce: n.announceFiles, Look: func(ctx context.Context) {
		_, _ = n.loop.Look(ctx, nudgeOrigin) // the loop logs what came of it
	}})
}

// sawFiles hears of every set that was judged. What counts is what lies on the share, also where an object
// of it is held back here.
func (n *Node) sawFiles(set fileset.Set) {
	digest := sharedDigest(set)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen = digest
}

// seenFiles is the digest of the shared files as they were last read.
func (n *Node) seenFiles() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.seen
}

// acceptedFiles tells the cluster of the files that this node runs, once it has a way to.
func (n *Node) acceptedFiles() {
	n.mu.Lock()
	digest, speaks := n.seen, n.voice != nil
	n.mu.Unlock()
	if speaks && n.keeper.Status().Accepted {
		n.nudge.Accepted(digest)
	}
}

// announceFiles tells the cluster. While the transporter is away nobody hears it; it is said again when it is back.
func (n *Node) announceFiles(digest string) {
	v := n.speaker()
	if v == nil { // the node is stopping
		return
	}
	a := transporter.Announcement{Node: v.who.node, Instance: v.who.instance, Digest: digest}
	if err := transporter.Publish(v.conn, transporter.ConfigAccepted, a); err != nil {
		n.log.Debug("new files are not announced", "err", err)
	}
}

// hearNudges has the node look at its files when another announces new ones. A transporter that does not permit
// it is reported; then changes are found by rescanning, as without a cluster.
func (n *Node) hearNudges(ctx context.Context, v *voice) {
	err := transporter.Subscribe(v.conn, transporter.ConfigAccepted, func(a transporter.Announcement) {
		if a.Instance != v.who.instance {
			n.nudge.Heard(a.Digest)
		}
	})
	if err != nil {
		n.log.Warn("other nodes' announcements of new files are not heard; they are found by rescanning", "err", err)
	}
	v.conn.OnReconnect(n.nudge.Again)
	go n.nudge.Run(ctx)
	n.acceptedFiles()
}
