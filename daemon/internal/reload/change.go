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
	r := request{ctx, origin, change, make(chan reply, 1)}
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
