// The list of sessions, kept up to date, and the ways to start one.
import { ask, base, call, newestOnly, run, start, t, tellTimes, toast, unkept } from './api.js';
import { search } from './find.js';
import { listen, warn } from './news.js';
import { keepPlace } from './place.js';
import { showThumbnails } from './thumbnails.js';

const list = document.getElementById('sessions');
const apps = document.getElementById('apps');
const query = list.dataset.query;
const asked = newestOnly();

document.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  const { app, end, remove, star } = button.dataset;
  if (app) run(button, () => start({ app }));
  if (remove) run(button, () => terminate(remove, button));
  if (end) confirmEnd(button, end);
  if (star) run(button, () => like(star, button.getAttribute('aria-pressed') !== 'true'));
});

document.getElementById('command')?.addEventListener('submit', (event) => {
  event.preventDefault();
  const { command, name, geometry } = Object.fromEntries(new FormData(event.target));
  run(event.target.querySelector('button'), () => start({ command, name, geometry }));
});

async function terminate(id, button) {
  await call('DELETE', '/api/v1/sessions/' + id);
  await refresh(button);
}

function confirmEnd(button, id) {
  const dialog = document.getElementById('confirm');
  dialog.querySelector('h2').textContent = t('end', button.closest('.session').dataset.title);
  ask(dialog, () => run(button, () => terminate(id, button)));
}

/** Adds an application to the favourites, or takes it away, as the server has them now. */
async function like(id, on) {
  const path = '/api/v1/me/preferences';
  const now = await call('GET', path);
  const others = now.favourites.filter((one) => one !== id);
  await call('PUT', path, { ...now, favourites: on ? [...others, id] : others });
  const fresh = await fragment('/fragments/apps');
  if (!fresh) return;
  apps.replaceChildren(...fresh.childNodes);
  search();
  Array.from(apps.querySelectorAll('.star')).find((star) => star.dataset.star === id)?.focus();
}

/** Fetches a part of the page as the server draws it. */
async function fragment(path) {
  const response = await fetch(base + path, unkept);
  if (response.status === 401) location.reload();
  if (!response.ok) return undefined;
  return new DOMParser().parseFromString(await response.text(), 'text/html').body;
}

const drawn = new WeakMap(); // how the server drew a card that is on the page

function note(root) {
  for (const li of root.querySelectorAll('li.session')) drawn.set(li, li.outerHTML);
}

/**
 * Draws the list again and changes only what differs, so that the keyboard's place
 * on the page and pictures that are there are kept. That place is where a button is whose action changed the list.
 */
async function refresh(button) {
  const isNewest = asked();
  const fresh = await fragment('/fragments/sessions' + query);
  if (!fresh || !isNewest()) return;
  note(fresh);
  const back = keepPlace(list, 'li.session', button);
  const old = new Map(Array.from(list.querySelectorAll('li.session'), (li) => [li.id, li]));
  for (const li of fresh.querySelectorAll('li.session')) {
    const before = old.get(li.id);
    if (!before) continue;
    if (drawn.get(before) === drawn.get(li)) li.replaceWith(before);
    else keepPicture(before, li);
  }
  list.replaceChildren(...fresh.childNodes);
  settle();
  back();
}

function keepPicture(before, after) {
  const [old, img] = [before, after].map((li) => li.querySelector('.thumb'));
  if (!img || !old?.src) return;
  img.src = old.src;
  img.hidden = old.hidden;
}

/** What the page adds to what the server draws. */
function settle() {
  tellTimes(list);
  search();
  showThumbnails();
  for (const li of list.querySelectorAll('[data-session]')) {
    warn(li.querySelector('.warning'), JSON.parse(li.dataset.session).warning);
  }
}

let waiting;
function refreshSoon() {
  waiting ??= setTimeout(() => {
    waiting = undefined;
    refresh().catch(() => {}); // the next news try again
  }, 200);
}

note(list);
tellTimes();
settle();
setInterval(() => tellTimes(), 20_000);
// Who may see everybody's sessions hears what is said there, too: here it is of no concern.
const concerns = ({ session }) => !session || (!query && document.getElementById('s-' + session));
if (window.EventSource) listen(query, { session: refreshSoon, open: refreshSoon, concerns });
else toast(t('no-events'));
