// Shows a session's display with the distribution's noVNC.
import RFB from '../../novnc/core/rfb.js';
import { base, call, t } from './api.js';

const id = document.body.dataset.session;
const path = '/api/v1/sessions/' + id;
const find = (name) => document.getElementById(name);
const screen = find('screen');
let rfb;
let failures = 0;

const waits = ['pending', 'starting', 'unknown'];

/** Waits until the session runs, then connects. One that has ended has another page. */
async function open() {
  find('again').hidden = true;
  for (;;) {
    let session;
    try {
      session = await call('GET', path);
    } catch (failure) {
      if (failure.status === 401 || failure.status === 404) {
        location.reload();
        return;
      }
      retry(failure.message);
      return;
    }
    if (session.state === 'ended') {
      location.reload();
      return;
    }
    if (session.state === 'running') break;
    veil(t('display.' + (waits.includes(session.state) ? session.state : 'waiting')));
    await new Promise((done) => setTimeout(done, 500));
  }
  connect();
}

function connect() {
  veil(t('display.connecting'));
  const scheme = location.protocol === 'https:' ? 'wss://' : 'ws://';
  rfb = new RFB(screen, scheme + location.host + base + path + '/display', { wsProtocols: ['binary'], shared: true });
  rfb.background = '#20252d';
  rfb.showDotCursor = true;
  fit(localStorage.getItem('fit') === 'yes');
  rfb.addEventListener('connect', () => {
    failures = 0;
    veil('');
    find('status').textContent = t('display.leave');
    document.body.dataset.connected = 'yes';
    canvasChanges.observe(screen, { subtree: true, attributes: true, attributeFilter: ['width', 'height'] });
    shrink();
    rfb.focus();
  });
  rfb.addEventListener('disconnect', () => {
    delete document.body.dataset.connected;
    find('status').textContent = '';
    rfb = undefined;
    retry(t('display.lost'));
  });
  rfb.addEventListener('securityfailure', (event) => veil(t('display.refused', event.detail.reason ?? t('display.no-reason'))));
  rfb.addEventListener('clipboard', (event) => { find('clip-text').value = event.detail.text; });
}

let timer;
function retry(why) {
  const wait = Math.min(15, 2 ** failures++);
  veil(t('display.trying', why));
  find('again').hidden = false;
  clearTimeout(timer);
  timer = setTimeout(open, wait * 1000);
}

function veil(text) {
  find('veil').hidden = text === '';
  find('veil-text').textContent = text;
}

/** A picture larger than the window is scaled down; a smaller one stays crisp. */
function shrink() {
  const canvas = screen.querySelector('canvas');
  if (!rfb || !canvas) return;
  const scale = canvas.width > screen.clientWidth || canvas.height > screen.clientHeight;
  if (rfb.scaleViewport !== scale) rfb.scaleViewport = scale;
}
new ResizeObserver(shrink).observe(screen);
const canvasChanges = new MutationObserver(shrink);

/** Resizes the session to the window, or leaves it as it is. */
function fit(on) {
  find('fit').setAttribute('aria-pressed', String(on));
  localStorage.setItem('fit', on ? 'yes' : 'no');
  if (rfb) rfb.resizeSession = on;
}

find('again').addEventListener('click', () => { clearTimeout(timer); open(); });
find('fit').addEventListener('click', () => { fit(find('fit').getAttribute('aria-pressed') !== 'true'); rfb?.focus(); });
find('cad').addEventListener('click', () => { rfb?.sendCtrlAltDel(); rfb?.focus(); });
find('full').addEventListener('click', () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen?.().catch(() => {});
  rfb?.focus();
});
find('clip').addEventListener('click', () => find('clipboard').showModal());
find('clipboard').addEventListener('close', (event) => {
  if (event.target.returnValue === 'yes') rfb?.clipboardPasteFrom(find('clip-text').value);
  event.target.returnValue = 'no';
  rfb?.focus();
});

// The session takes every key, Tab too; these three together give the keyboard back.
document.addEventListener('keydown', (event) => {
  if (!(event.ctrlKey && event.altKey && event.shiftKey) || !screen.contains(document.activeElement)) return;
  window.dispatchEvent(new Event('blur')); // noVNC lets go of the keys it holds down
  find('clip').focus();
}, true);

// On a touch screen a hidden field brings the keyboard up; what is typed there is sent on.
const typing = find('typing');
find('keys').addEventListener('click', () => typing.focus());
typing.addEventListener('input', () => {
  for (const c of typing.value) {
    const code = c.codePointAt(0);
    rfb?.sendKey(code < 0x100 ? code : 0x1000000 + code, null);
  }
  typing.value = '';
});
typing.addEventListener('keydown', (event) => {
  const keysym = { Backspace: 0xff08, Tab: 0xff09, Enter: 0xff0d, Escape: 0xff1b }[event.key];
  if (!keysym) return;
  event.preventDefault();
  rfb?.sendKey(keysym, event.key);
});

open();
