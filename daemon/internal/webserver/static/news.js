// What the server tells as it happens: sessions that change, and words from administrators.
import { t } from './api.js';
import { stream } from './stream.js';

/** Listens for news of sessions, and shows what administrators say. hear is as stream has it. */
export function listen(query, { concerns, ...hear }) {
  stream(query, {
    ...hear,
    message: (said) => {
      if (!concerns || concerns(said)) word(said);
    },
  });
}

const banners = () => document.getElementById('banners');

// A new page, or a stream that was cut, hears again what was said lately. What somebody has dismissed
// stays away, in every tab.
const dismissed = () => JSON.parse(localStorage.getItem('dismissed') ?? '[]');

/** Shows what an administrator says until it is dismissed. */
function word({ text, from, at, session }) {
  const key = [at, from, session].join(' ');
  if (dismissed().includes(key) || shown(key)) return;
  const body = document.createElement('p');
  const who = document.createElement('strong');
  const when = document.createElement('time');
  const about = document.getElementById('s-' + session)?.dataset.title; // on the list
  if (from && about) who.textContent = t('message.about', from, about);
  else who.textContent = from ? t('message.from', from) : t('message');
  when.dateTime = at;
  when.textContent = new Date(at).toLocaleTimeString(document.documentElement.lang, { timeStyle: 'short' });
  body.append(who, ' ', text, ' ', when);
  banners()?.append(banner(body, key));
}

const shown = (key) => Array.from(banners()?.children ?? []).find((box) => box.dataset.key === key);

function banner(body, key) {
  const box = document.createElement('div');
  const close = document.createElement('button');
  box.className = 'banner';
  box.dataset.key = key;
  close.type = 'button';
  close.className = 'quiet';
  close.textContent = t('dismiss');
  close.addEventListener('click', () => {
    box.remove();
    localStorage.setItem('dismissed', JSON.stringify([...dismissed(), key].slice(-100)));
    document.querySelector('canvas, h1 a, h1')?.focus();
  });
  box.append(body, close);
  return box;
}

window.addEventListener('storage', ({ key }) => {
  if (key === 'dismissed') for (const gone of dismissed()) shown(gone)?.remove();
});

/** A span of time such as 4:05, or 1:04:05. */
export function clock(milliseconds) {
  const total = Math.max(0, Math.ceil(milliseconds / 1000));
  const pad = (n) => String(n).padStart(2, '0');
  const [hours, minutes, seconds] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  return hours ? `${hours}:${pad(minutes)}:${pad(seconds)}` : `${minutes}:${pad(seconds)}`;
}

/** Writes a session's warning and the time that is left into an element, and hides that when there is none. */
export function warn(element, warning) {
  clearInterval(element.ticking);
  element.hidden = !warning;
  if (!warning) {
    element.replaceChildren();
    return;
  }
  const left = document.createElement('span');
  left.className = 'left';
  left.setAttribute('aria-hidden', 'true'); // or it would be read aloud every second
  const text = document.createElement('span');
  text.textContent = warning.text;
  element.replaceChildren(text, ' ', left);
  const tick = () => { left.textContent = clock(new Date(warning.at) - Date.now()); };
  tick();
  element.ticking = setInterval(() => (element.isConnected ? tick() : clearInterval(element.ticking)), 1000);
}
