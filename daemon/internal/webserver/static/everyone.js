// Everyone's sessions: find, end, and say something to who looks at them.
import { ask, call, run, t, toast } from './api.js';
import { confirmed, live, query, refresh, refreshSoon } from './live.js';

const dialog = document.getElementById('message');
const text = document.getElementById('message-text');
const left = document.getElementById('message-left');
const filter = document.getElementById('filter');

document.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  const { end, remove, tell } = button.dataset;
  const { title, user } = button.closest('.one')?.dataset ?? {};
  if (end) {
    confirmed(button, { title: t('end-of', title, user), lead: t('end-of.lead', user), yes: t('end-of.yes'), danger: true }, () => terminate(end));
  }
  if (remove) run(button, () => terminate(remove));
  if (tell) write(button, t('tell', title, user), `/api/v1/sessions/${tell}/message`);
  if (button.id === 'tell-all') write(button, t('tell.all'), '/api/v1/message');
});

async function terminate(id) {
  await call('DELETE', '/api/v1/sessions/' + id);
  await refresh();
}

let recipient; // the path that the text in the field is meant for

/** Asks for a text and sends it. A text that could not be sent is there again the next time, for the same recipient. */
function write(button, title, path) {
  if (path !== recipient) text.value = '';
  recipient = path;
  document.getElementById('message-title').textContent = title;
  count();
  ask(dialog, () => run(button, async () => {
    const said = line();
    await call('POST', path, { text: said });
    if (path === recipient && line() === said) text.value = ''; // else somebody is writing the next one
    toast(t('told'));
  }));
  text.focus();
}

/** A message is one line; a line break in the field is a space. */
const line = () => text.value.replace(/\s+/g, ' ').trim();

function count() {
  left.textContent = t('left', text.maxLength - [...line()].length);
  text.setCustomValidity(line() ? '' : t('empty'));
}

text.addEventListener('input', count);
text.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) dialog.querySelector('[value=yes]').click();
});

/** The filter works as it is typed; the address says it, so that the page is the same when it is loaded again. */
function apply() {
  const chosen = [...new FormData(filter)].filter(([, value]) => value);
  query.text = chosen.length ? '?' + new URLSearchParams(chosen) : '';
  history.replaceState(null, '', location.pathname + query.text);
  return refresh();
}

filter.addEventListener('input', () => apply().catch(() => {}));
filter.addEventListener('submit', (event) => {
  event.preventDefault();
  apply().catch(() => {});
});
filter.querySelector('button').hidden = true; // only for a page without scripts

live(['session'], '?all=1');
window.addEventListener('pageshow', refreshSoon);
