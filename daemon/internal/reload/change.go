package reload

import "context"

// reply is what a request came to.
type reply struct {
	report Report
	err    error // of the change
}

// Change has change alter the files and takes what they then say. Until that is done nothing that the
// watcher sees is taken, so that the history names whose change it was. A change has to return when its context
// ends; when it fails, its error is returned and the files are not looked at.
func (l *Loop) Change(ctx context.Context, origin string, change func(context.Context) error) (Report, error) {
	return l.ask(request{ctx: ctx, origin: origin, change: change, reply: make(chan reply, 1)})
}

// Look is Reload because there may be something new: what was rejected is not tried again for it.
func (l *Loop) Look(ctx context.Context, origin string) (Report, error) {
	return l.ask(request{ctx: ctx, origin: origin, glance: true, reply: make(chan reply, 1)})
}

// ask hands a request to Run and waits for the reply.
func (l *Loop) ask(r request) (Report, error) {
	ctx := r.ctx
	select {
	case l.requests <- r:
	case <-ctx.Done():
		return Report{}, context.Cause(ctx)
	}
	select {
	case done := <-r.reply:
		return done.report, done.err
	case <-ctx.Done():
		return Report{}, context.Cause(ctx)
	}
}

func (l *Loop) serve(ctx context.Context, r request) reply {
	if r.change != nil {
		if err := r.change(r.ctx); err != nil {
			return reply{err: err}
		}
	}
	return reply{report: l.answer(ctx, r)}
}
