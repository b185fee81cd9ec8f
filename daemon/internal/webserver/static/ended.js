// A session that has ended: remove it, or start the same again.
import { call, leave, run, start, tellTimes } from './api.js';

document.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  const { order, remove } = button.dataset;
  if (order) run(button, () => start(JSON.parse(order)));
  if (remove) {
    run(button, async () => {
      await call('DELETE', '/api/v1/sessions/' + remove);
      return leave('/');
    });
  }
});

const log = document.querySelector('.log');
if (log) log.scrollTop = log.scrollHeight; // what it said last
tellTimes();
