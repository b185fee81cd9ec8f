// What every page shares: calling the API, and saying what went wrong.

/** The page's texts in its language; what follows the key takes the places {1}, {2} … */
const { default: words } = await import(document.documentElement.dataset.words).catch((failure) => {
  dispatchEvent(new Event('incomplete'));
  throw failure;
});
export const t = (key, ...args) => (words[key] ?? key).replace(/\{(\d)\}/g, (_, i) => args[i - 1]);

/** What every path of this server begins with; call() adds it by itself. */
export const base = document.querySelector('meta[name=base]')?.content ?? '';
const csrf = document.querySelector('meta[name=csrf]')?.content ?? '';

/** A failed call: the sentence for the user as message, the HTTP status and the API's code beside it. */
export class Failure extends Error {
  constructor(status, message, detail = '', code = '') {
    super(message);
    Object.assign(this, { status, detail, code });
  }
}

const patience = 30_000; // ms; a network that swallows everything never says so

/** Makes one call and returns the decoded answer; throws a Failure. */
export async function call(method, path, body, headers = {}) {
  const init = { method, headers: { ...headers, Accept: 'application/json' } };
  if (method === 'GET') Object.assign(init, unkept, { signal: AbortSignal.timeout(patience) });
  else init.headers['X-CSRF-Token'] = csrf;
  if (body !== undefined) {
    init.headers['Content-Type'] = 'application/json';
    init.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(base + path, init);
  } catch {
    throw new Failure(0, t('unreachable'));
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const failure = new Failure(response.status, sentence(answer.error?.message ?? t('failed')), answer.error?.detail, answer.error?.code);
  failure.challenge = answer.challenge;
  throw failure;
}

/** How to fetch what is never kept. Without it a browser lets a question wait until the same one before is answered. */
export const unkept = { cache: 'no-store' };

/**
 * For questions that are asked again before they are answered: call what this returns when you ask, and what
 * that returns when the answer is there. It says whether no later question has been answered by then.
 */
export function newestOnly() {
  let asked = 0;
  let answered = 0;
  return () => {
    const mine = ++asked;
    return () => {
      if (mine < answered) return false;
      answered = mine;
      return true;
    };
  };
}

/** Starts a session and goes to it. The key makes a repeated request harmless. */
export async function start(order) {
  const key = Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, '0')).join('');
  const session = await call('POST', '/api/v1/sessions', order, { 'Idempotency-Key': key });
  return leave('/sessions/' + session.id);
}

/** Goes to another page. This never ends: while that page is on its way, a second click does nothing. */
export function leave(path) {
  location.assign(base + path);
  return new Promise(() => {});
}

const busy = new Set(); // buttons whose action runs

/** Runs an action of a button: once at a time, and a failure is shown. */
export async function run(button, action) {
  if (busy.has(button)) return;
  busy.add(button);
  button.setAttribute('aria-disabled', 'true'); // one that is disabled would lose the keyboard
  button.setAttribute('aria-busy', 'true');
  try {
    await action();
    sessionStorage.removeItem('stale');
  } catch (failure) {
    if (failure.status === 401) location.reload();
    if (failure.code === 'csrf') renew();
    toast(failure.detail ? `${failure.message} ${sentence(failure.detail)}` : failure.message);
  } finally {
    release(button);
  }
}

/**
 * Opens a dialog and does what its "yes" stands for once it has closed. That it closes is told late: by then
 * it may have been opened again for something else, so it is the button that counts.
 */
export function ask(dialog, yes) {
  dialog.querySelector('form').onsubmit = ({ submitter }) => {
    if (submitter?.value === 'yes') setTimeout(yes);
  };
  dialog.showModal();
}

/** Loads a page again that was made for an earlier login. Where that did not help, it is not tried a second time. */
function renew() {
  if (sessionStorage.getItem('stale')) return;
  sessionStorage.setItem('stale', 'new');
  location.reload();
}

function release(button) {
  busy.delete(button);
  button.removeAttribute('aria-disabled');
  button.removeAttribute('aria-busy');
}

// Who comes back to a page that was left finds it as it was, with the button that led away.
window.addEventListener('pageshow', ({ persisted }) => { if (persisted) busy.forEach(release); });

let hide;
export function toast(text) {
  const place = document.getElementById('toast');
  if (!place) return;
  place.textContent = text;
  clearTimeout(hide);
  hide = setTimeout(() => { place.textContent = ''; }, 8000);
}

if (sessionStorage.getItem('stale') === 'new') {
  sessionStorage.setItem('stale', 'told');
  toast(t('renewed'));
}

export const sentence = (s) => s && s[0].toUpperCase() + s.slice(1).replace(/\.$/, '') + '.';

/** Turns <time> elements into "3 minutes ago", the full time on hover. What administrators wrote stays as it is. */
export function tellTimes(root = document) {
  const words = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: 'auto' });
  for (const element of root.querySelectorAll('time[datetime]')) {
    const then = new Date(element.dateTime);
    if (element.closest('.prose') || Number.isNaN(then.getTime())) continue;
    const seconds = (then - Date.now()) / 1000;
    const [unit, size] = [['day', 86400], ['hour', 3600], ['minute', 60]].find(([, n]) => Math.abs(seconds) >= n) ?? ['second', 1];
    element.textContent = size === 1 ? t('just-now') : words.format(Math.trunc(seconds / size), unit);
    element.title = then.toLocaleString();
  }
}

document.getElementById('signout')?.addEventListener('click', (event) => run(event.currentTarget, async () => {
  await call('POST', '/api/v1/logout');
  return leave('/');
}));
