// The list of sessions, kept up to date, and the ways to start one.
import { base, call, run, start, t, tellTimes, toast } from './api.js';
import { refreshLook } from './look.js';

const list = document.getElementById('sessions');
const query = list.dataset.query;

document.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  const { app, end, remove } = button.dataset;
  if (app) run(button, () => start({ app }));
  if (remove) run(button, () => terminate(remove));
  if (end) confirmEnd(button, end);
});

document.getElementById('command')?.addEventListener('submit', (event) => {
  event.preventDefault();
  const { command, name, geometry } = Object.fromEntries(new FormData(event.target));
  run(event.target.querySelector('button'), () => start({ command, name, geometry }));
});

async function terminate(id) {
  await call('DELETE', '/api/v1/sessions/' + id);
  await refresh();
}

function confirmEnd(button, id) {
  const dialog = document.getElementById('confirm');
  dialog.querySelector('h2').textContent = t('end', button.closest('.session').dataset.title);
  dialog.returnValue = 'no';
  dialog.addEventListener('close', () => {
    if (dialog.returnValue === 'yes') run(button, () => terminate(id));
  }, { once: true });
  dialog.showModal();
}

/**
 * Fetches the list as the server draws it and changes only what differs, so that
 * the keyboard's place on the page is kept.
 */
async function refresh() {
  const response = await fetch(base + '/fragments/sessions' + query);
  if (response.status === 401) location.reload();
  if (!response.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), 'text/html').body;
  tellTimes(fresh);
  const [now, next] = [list.querySelector('ul'), fresh.querySelector('ul')];
  if (!now || !next) {
    list.replaceChildren(...fresh.children);
    return;
  }
  const old = new Map(Array.from(now.children, (li) => [li.id, li]));
  now.replaceChildren(...Array.from(next.children, (li) => {
    const same = old.get(li.id);
    return same && same.outerHTML === li.outerHTML ? same : li;
  }));
}

let waiting;
function refreshSoon() {
  waiting ??= setTimeout(() => {
    waiting = undefined;
    const focus = document.activeElement?.closest('.session')?.id;
    const place = focus && Array.from(document.getElementById(focus).querySelectorAll('a, button')).indexOf(document.activeElement);
    refresh().then(() => {
      if (focus && document.activeElement === document.body) {
        document.getElementById(focus)?.querySelectorAll('a, button')[place]?.focus();
      }
    }).catch(() => {});
  }, 200);
}

function listen() {
  const events = new EventSource(base + '/api/v1/events' + query);
  events.addEventListener('session', refreshSoon);
  events.addEventListener('page', refreshLook);
  events.onopen = () => { // what happened while nobody listened
    refreshSoon();
    refreshLook();
  };
  events.onerror = () => {
    if (events.readyState !== EventSource.CLOSED) return;
    setTimeout(listen, 5000);
    refreshSoon(); // finds out whether the login has ended
  };
}

tellTimes();
setInterval(() => tellTimes(), 20_000);
listen();
if (!window.EventSource) toast(t('no-events'));
