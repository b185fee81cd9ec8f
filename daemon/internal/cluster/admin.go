package cluster

import (
	"context"

	"github.com/fastx-kit/fastx-kit/daemon/internal/transporter"
)

// Message says something to who looks at one session.
func (c Client) Message(ctx context.Context, id, text string) (transporter.Message, error) {
	if err := transporter.CheckMessage(text); err != nil {
		return transporter.Message{}, err
	}
	_, ticket, err := c.permit(ctx, transporter.ActMessage, id)
	if err != nil {
		return transporter.Message{}, err
	}
	return transporter.Call(ctx, c.Conn, transporter.ManagerMessage, transporter.MessageRequest{Ticket: ticket, Text: text})
}

// Broadcast says something to who looks at any session.
func (c Client) Broadcast(ctx context.Context, text string) (transporter.Message, error) {
	if err := transporter.CheckMessage(text); err != nil {
		return transporter.Message{}, err
	}
	leave, err := c.Authorize(ctx, transporter.AuthorizeRequest{Action: transporter.ActBroadcast})
	if err != nil {
		return transporter.Message{}, err
	}
	return transporter.Call(ctx, c.Conn, transporter.ManagerMessage, transporter.MessageRequest{Ticket: leave.Ticket, Text: text})
}

// History returns one page of a node's generations.
func (c Client) History(ctx context.Context, node string, before, limit int) (transporter.HistoryReply, error) {
	leave, err := c.Authorize(ctx, transporter.AuthorizeRequest{Action: transporter.ActConfig, Node: node})
	if err != nil {
		return transporter.HistoryReply{}, err
	}
	reply, err := transporter.Call(ctx, c.Conn, transporter.NodeHistory.On(node),
		transporter.HistoryRequest{Ticket: leave.Ticket, Before: before, Limit: limit})
	return reply, c.whether(ctx, node, err)
}

// Generation returns one generation of a node with all its files.
func (c Client) Generation(ctx context.Context, node string, generation int) (transporter.GenerationReply, error) {
	leave, err := c.Authorize(ctx, transporter.AuthorizeRequest{Action: transporter.ActConfig, Node: node})
	if err != nil {
		return transporter.GenerationReply{}, err
	}
	var all transporter.GenerationReply
	for req := (transporter.GenerationRequest{Ticket: leave.Ticket, Generation: generation}); ; {
		page, err := transporter.Call(ctx, c.Conn, transporter.NodeGeneration.On(node), req)
		if err != nil {
			return transporter.GenerationReply{}, c.whether(ctx, node, err)
		}
		all.Generation, all.Files = page.Generation, append(all.Files, page.Files...)
		if !page.More || len(page.Files) == 0 {
			return all, nil
		}
		req.After = page.Files[len(page.Files)-1].Name
	}
}

// Diff returns how two generations of a node differ, file by file.
func (c Client) Diff(ctx context.Context, node string, from, to int) ([]transporter.FileDiff, error) {
	leave, err := c.Authorize(ctx, transporter.AuthorizeRequest{Action: transporter.ActConfig, Node: node})
	if err != nil {
		return nil, err
	}
	all := []transporter.FileDiff{}
	for req := (transporter.DiffRequest{Ticket: leave.Ticket, From: from, To: to}); ; {
		page, err := transporter.Call(ctx, c.Conn, transporter.NodeDiff.On(node), req)
		if err != nil {
			return nil, c.whether(ctx, node, err)
		}
		all = append(all, page.Files...)
		if !page.More || len(page.Files) == 0 {
			return all, nil
		}
		req.After = page.Files[len(page.Files)-1].Name
	}
}

// SetLogLevel has a node write levels into loglevel.ini.
func (c Client) SetLogLevel(ctx context.Context, node string, levels map[string]string) (transporter.LogLevelReply, error) {
	leave, err := c.Authorize(ctx, transporter.AuthorizeRequest{Action: transporter.ActLogLevel, Node: node})
	if err != nil {
		return transporter.LogLevelReply{}, err
	}
	reply, err := transporter.Call(ctx, c.Conn, transporter.NodeLogLevel.On(node),
		transporter.LogLevelRequest{Ticket: leave.Ticket, Levels: levels})
	return reply, c.whether(ctx, node, err)
}

// whether tells a node that does not answer from one that there is not: to a client, both are
// silence. The caller has leave to act on the node, and with it to know which there are.
func (c Client) whether(ctx context.Context, node string, err error) error {
	if err == nil || transporter.AsError(err).Code != transporter.Unavailable {
		return err
	}
	reply, unknown := transporter.Call(ctx, c.Conn, transporter.ManagerNodes, transporter.Empty{})
	if unknown != nil {
		return err
	}
	for _, n := range reply.Nodes {
		if n.Node == node {
			return err
		}
	}
	return transporter.Errorf(transporter.NotFound, "there is no node %.80q", node)
}
