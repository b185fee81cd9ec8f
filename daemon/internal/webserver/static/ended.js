// A session that has ended: remove it, or start the same again.
import { base, call, run, start, tellTimes } from './api.js';

document.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  const { app, remove } = button.dataset;
  if (app) run(button, () => start({ app }));
  if (remove) {
    run(button, async () => {
      await call('DELETE', '/api/v1/sessions/' + remove);
      location.assign(base + '/');
    });
  }
});

tellTimes();
