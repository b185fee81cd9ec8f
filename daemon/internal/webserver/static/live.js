// Keeps the changing part of an administrator's page as the server draws it.
import { ask, base, newestOnly, run, t, tellTimes, unkept } from './api.js';
import { keepPlace } from './place.js';
import { stream } from './stream.js';

const place = document.getElementById('live');
const news = document.getElementById('news');
const fetchEvery = 2000; // ms, at most: a large cluster has news all the time
const silentAfter = 15; // s, as the server counts it
const asked = newestOnly();

/** What follows the fragment's path; a page with a filter changes it. */
export const query = { text: location.search };

/** Fetches the part anew and changes only what differs, so that the keyboard's place is kept. */
export async function refresh() {
  const isNewest = asked();
  const response = await fetch(base + place.dataset.fragment + query.text, unkept);
  if (response.status === 401) location.reload();
  if (!response.ok) return;
  const text = await response.text();
  if (!isNewest()) return;
  const fresh = document.createElement('div');
  fresh.append(...new DOMParser().parseFromString(text, 'text/html').body.childNodes);
  tellTimes(fresh);
  const before = states();
  const focus = document.activeElement;
  const back = keepPlace(place, '[data-key]:not(details)');
  morphChildren(place, fresh);
  if (focus !== document.activeElement && focus.isConnected) focus.focus();
  back();
  count();
  announce(before);
}

/** Makes one element like another. What only the reader knows, such as which details are open, stays. */
function morph(now, next) {
  if (now.isEqualNode(next)) return;
  if (now.nodeType !== Node.ELEMENT_NODE || now.nodeName !== next.nodeName) {
    now.replaceWith(next);
    return;
  }
  for (const { name, value } of next.attributes) if (now.getAttribute(name) !== value) now.setAttribute(name, value);
  for (const { name } of [...now.attributes]) if (!next.hasAttribute(name) && name !== 'open') now.removeAttribute(name);
  morphChildren(now, next);
}

const keyOf = (node) => node?.dataset?.key;

function morphChildren(now, next) {
  const keyed = new Map([...now.children].filter(keyOf).map((child) => [keyOf(child), child]));
  let at = now.firstChild;
  for (const child of [...next.childNodes]) {
    const same = keyOf(child) ? keyed.get(keyOf(child)) : keyOf(at) ? undefined : at;
    if (!same) {
      now.insertBefore(child, at);
      continue;
    }
    if (same === at) at = at.nextSibling;
    else now.insertBefore(same, at);
    morph(same, child);
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

const states = () => new Map([...place.querySelectorAll('[data-state]')].map((e) => [e.dataset.name, e.dataset.state]));

/** Says aloud which state has changed. */
function announce(before) {
  const said = [...states()].filter(([name, state]) => before.get(name) !== state).map(([name, state]) => t('now', name, state));
  if (news && said.length) news.textContent = said.join(' ');
}

/** Notes since when each age counts. */
function count() {
  for (const age of place.querySelectorAll('[data-age]')) {
    if (age.counted === age.dataset.age) continue;
    age.counted = age.dataset.age;
    age.since = performance.now() - age.dataset.age * 1000;
  }
  tick();
}

function tick() {
  let late = false;
  for (const age of place.querySelectorAll('[data-age]')) {
    const seconds = Math.max(0, (performance.now() - age.since) / 1000);
    age.textContent = ago(seconds);
    late ||= seconds > silentAfter && !age.closest('.silent');
  }
  if (late) refreshSoon();
}

function ago(seconds) {
  if (seconds < 120) return t('ago.seconds', Math.floor(seconds));
  return t('ago.minutes', Math.floor(seconds / 60));
}

/** A node has just spoken: its age begins anew before the rest is fetched. */
function heard({ node, age_s: age }) {
  const shown = [...place.querySelectorAll('[data-key]')].find((e) => keyOf(e) === node)?.querySelector('[data-age]');
  if (shown) shown.since = performance.now() - age * 1000;
  refreshSoon();
}

let waiting;
let last = 0;
export function refreshSoon() {
  waiting ??= setTimeout(() => {
    waiting = undefined;
    last = performance.now();
    refresh().catch(() => {}); // the next news try again
  }, Math.max(200, last + fetchEvery - performance.now()));
}

/** Listens to news and draws the page anew when one of a kind comes. */
export function live(kinds, parameters = '') {
  stream(parameters, { open: refreshSoon, ...Object.fromEntries(kinds.map((kind) => [kind, kind === 'node' ? heard : refreshSoon])) });
}

/** Asks before a button's action is run. */
export function confirmed(button, { title, lead, yes, danger }, action) {
  const dialog = document.getElementById('confirm');
  const accept = document.getElementById('confirm-yes');
  document.getElementById('confirm-title').textContent = title;
  document.getElementById('confirm-lead').textContent = lead;
  accept.textContent = yes;
  accept.className = danger ? 'danger' : 'primary';
  ask(dialog, () => run(button, action));
}

tellTimes();
setInterval(tellTimes, 20_000, document);
if (place) {
  count();
  setInterval(tick, 1000);
}
