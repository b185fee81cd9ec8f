// The clipboard both ways, as far as the session and the browser allow it. Where the browser
// keeps its own clipboard from the page, the dialog is the way.
import { t, toast } from './api.js';

const find = (name) => document.getElementById(name);
const field = find('clip-text');
const most = 256 * 1024; // what the X server takes

let rfb;
let direction = 'bidirectional';
let last = ''; // what both sides have
let pending; // what the browser refused to take without a key or a click

const outward = () => direction === 'bidirectional' || direction === 'remote-to-local';
const inward = () => direction === 'bidirectional' || direction === 'local-to-remote';

/** Gives the clipboard a new connection, or with undefined takes it away. */
export function attach(connection) {
  rfb = connection;
  last = '';
  rfb?.addEventListener('clipboard', (event) => fromSession(event.detail.text));
  offer();
}

/** Which way the session's clipboard may go; without a word, both. */
export function allow(way = 'bidirectional') {
  direction = way;
  find('clip').hidden = !inward() && !outward();
  find('clip-send').hidden = !inward();
  find('clip-copy').hidden = !outward();
  field.readOnly = !inward();
  find('clip-way').textContent = t('clipboard.' + way);
}

function fromSession(raw) {
  if (!outward()) return;
  const text = raw.replaceAll('\r\n', '\n'); // noVNC 1.3 replaces the first one only
  if (text === last) return;
  last = field.value = text;
  document.body.dataset.clipboard = text.slice(0, 80);
  give(text);
}

/** Puts text into the browser's clipboard; some browsers let that happen only while a key or button is pressed. */
async function give(text) {
  pending = undefined;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    pending = text;
  }
}

function send(text) {
  if (!rfb || !inward() || text === last) return;
  if (new Blob([text]).size > most) {
    toast(t('clipboard.too-long'));
    return;
  }
  last = field.value = text;
  rfb.clipboardPasteFrom(text);
}

/** Offers the session what the browser's clipboard holds, if that may be read without asking. */
async function offer() {
  if (!rfb || !inward() || !document.hasFocus() || !navigator.clipboard?.readText) return;
  try {
    const { state } = await navigator.permissions.query({ name: 'clipboard-read' });
    if (state === 'granted') send(await navigator.clipboard.readText());
  } catch {
    // a browser that does not know this permission would ask each time
  }
}

window.addEventListener('focus', offer);
for (const event of ['pointerdown', 'keydown']) {
  document.addEventListener(event, () => {
    if (pending !== undefined) give(pending);
  }, true);
}

/** Asking while a button is pressed lets the browser ask its user. */
async function ask() {
  try {
    const text = await navigator.clipboard.readText();
    if (text) field.value = text;
  } catch {
    // then the user pastes into the field
  }
}

const dialog = find('clipboard');
find('clip').addEventListener('click', async () => {
  dialog.showModal();
  if (inward() && navigator.clipboard?.readText && field.value === last) await ask();
  field.select();
});
find('clip-copy').addEventListener('click', async () => {
  field.select();
  await navigator.clipboard?.writeText(field.value).then(() => toast(t('clipboard.copied')), () => {});
});
dialog.addEventListener('close', () => {
  if (dialog.returnValue === 'yes') {
    last = undefined; // sent on purpose, it is sent again
    send(field.value);
  }
  dialog.returnValue = 'no';
  rfb?.focus();
});
