// Shows a session's display with the distribution's noVNC, and comes back to it by itself.
import RFB from '../../novnc/core/rfb.js';
import { base, call, sentence, t, toast } from './api.js';
import { Channel } from './channel.js';
import * as clipboard from './clipboard.js';
import * as keyboard from './keyboard.js';
import { Meter, speed } from './meter.js';
import { listen, warn } from './news.js';

const id = document.body.dataset.session;
const path = '/api/v1/sessions/' + id;
const find = (name) => document.getElementById(name);
const screen = find('screen');
const lang = document.documentElement.lang;

let rfb;
let meter;
let picture; // the canvas that noVNC draws on
let failures = 0;
let timer; // until the next try
let most = [Infinity, Infinity]; // the largest screen that the session may have
let refusal; // what the display itself says against the viewer
let late; // runs out on a connection that does not come about
let opening = false;

/** Waits until the session runs, then connects. One that has ended has another page. */
async function open() {
  if (opening || rfb) return;
  opening = true;
  clearTimeout(timer);
  timer = undefined;
  find('again').hidden = true;
  try {
    await untilItRuns();
    connect();
  } catch (failure) {
    if (!giveUp(failure)) retry(failure.message);
  } finally {
    opening = false;
  }
}

const waits = ['pending', 'starting', 'unknown'];

async function untilItRuns() {
  for (;;) {
    const session = await call('GET', path);
    learn(session);
    if (session.state === 'running') return;
    veil(t('display.' + (waits.includes(session.state) ? session.state : 'waiting')));
    await new Promise((done) => {
      wake = done;
      setTimeout(done, 1000);
    });
  }
}

let wake = () => {};

/** Takes over what is told of the session. */
function learn(session) {
  if (session.state === 'ended') location.reload();
  if (session.max_geometry) most = session.max_geometry.split('x').map(Number);
  clipboard.allow(session.clipboard);
  warn(find('warning'), session.warning);
}

/** Asks for what happened while nobody listened. */
async function catchUp() {
  try {
    learn(await call('GET', path));
  } catch (failure) {
    giveUp(failure);
  }
}

/** Somebody who is signed out, or whose session is gone, has another page. */
function giveUp({ status }) {
  const over = status === 401 || status === 404;
  if (over) location.reload();
  return over;
}

listen('', {
  session: (session) => {
    if (session.id !== id) return;
    if (session.gone) {
      location.assign(base + '/');
      return;
    }
    learn(session);
    wake();
  },
  open: () => (timer ? open() : catchUp()), // the server is back
  concerns: (said) => !said.session || said.session === id,
});

function connect() {
  if (!picture) veil(t('display.connecting'));
  const scheme = location.protocol === 'https:' ? 'wss://' : 'ws://';
  const channel = new Channel(scheme + location.host + base + path + '/display', ['binary'], () => giveUpAfter(10_000));
  // The server needs a while to bring a display; once it has, the display answers at once or never.
  const giveUpAfter = (ms) => {
    clearTimeout(late);
    late = setTimeout(() => channel.abandon(), ms);
  };
  giveUpAfter(30_000);
  refusal = '';
  rfb = new RFB(screen, channel, { shared: true });
  rfb.background = 'transparent';
  rfb.showDotCursor = true;
  choose(localStorage.getItem('quality') ?? 'auto');
  fit(wanted());
  rfb.addEventListener('connect', () => connected(channel));
  rfb.addEventListener('disconnect', () => disconnected(channel));
  rfb.addEventListener('securityfailure', ({ detail }) => { refusal = t('display.refused', detail.reason ?? t('display.no-reason')); });
}

function connected(channel) {
  clearTimeout(late);
  failures = 0;
  veil('');
  find('still').replaceChildren();
  picture = screen.querySelector('canvas:not(#still canvas)');
  find('status').textContent = t('display.leave');
  document.body.dataset.connected = 'yes';
  canvasChanges.observe(picture, { attributes: true, attributeFilter: ['width', 'height'] });
  shrink();
  clipboard.attach(rfb);
  keyboard.attach(rfb);
  meter = new Meter(channel, show, () => channel.abandon());
  if ([document.body, null].includes(document.activeElement) || screen.contains(document.activeElement)) rfb.focus();
  checkFit();
}

/** The picture stays, dimmed, until a new one comes. */
async function disconnected(channel) {
  clearTimeout(late);
  delete document.body.dataset.connected;
  find('status').textContent = '';
  rfb = undefined;
  meter?.stop();
  clipboard.attach();
  keyboard.attach();
  show({ health: 'away', rate: 0 });
  if (picture) find('still').replaceChildren(picture);
  canvasChanges.disconnect();
  const { code, reason } = channel.ended ?? {};
  if (code === refused) {
    sentAway(sentence(reason));
    await catchUp(); // it may be that the login has ended
  } else if (refusal) sentAway(refusal);
  else if (channel.wasOpen) retry(lost());
  else await askWhy();
}

const refused = 1008; // a WebSocket's close code: who is sent away need not come again by itself
const lost = () => t(navigator.onLine ? 'display.lost' : 'display.offline');

/** Asks for what the browser keeps to itself: why a connection was refused. */
async function askWhy() {
  veil(lost(), true);
  opening = true;
  try {
    await call('POST', path + '/ticket');
    retry(lost());
  } catch (failure) {
    if (failure.status === 403 || failure.status === 404) sentAway(t('display.forbidden'));
    else if (!giveUp(failure)) retry(failure.message);
  } finally {
    opening = false;
  }
}

/** Says why the session is not shown any more, and leaves it to the reader to come again. */
function sentAway(why) {
  veil(why, true);
  find('veil').classList.add('final');
  find('again').hidden = false;
}

/** Tries again soon: at random, so that a thousand viewers do not come at once when a server is back. */
function retry(why) {
  const most = Math.min(15_000, 500 * 2 ** failures++);
  veil(t('display.trying', why), true);
  find('again').hidden = false;
  clearTimeout(timer);
  timer = setTimeout(open, most / 2 + Math.random() * most / 2);
}

window.addEventListener('online', () => { if (timer) open(); });
document.addEventListener('visibilitychange', () => { if (timer && !document.hidden) open(); });
find('again').addEventListener('click', open);

function veil(text, away = false) {
  find('veil').classList.remove('final');
  find('veil').hidden = text === '';
  find('veil').classList.toggle('away', away && Boolean(picture));
  find('veil-text').textContent = text;
}

/** A picture larger than the window is scaled down; a smaller one stays crisp. */
function shrink() {
  if (!rfb || !picture) return;
  const scale = picture.width > screen.clientWidth || picture.height > screen.clientHeight;
  if (rfb.scaleViewport !== scale) rfb.scaleViewport = scale;
  find('size').textContent = `${picture.width} × ${picture.height}`;
}
new ResizeObserver(() => { shrink(); checkFit(); }).observe(screen);
const canvasChanges = new MutationObserver(shrink);

// The session follows the window unless it was told not to, or the window is a phone's.
const wanted = () => (localStorage.getItem('fit') ?? (matchMedia('(min-width: 40rem)').matches && !matchMedia('(pointer: coarse)').matches ? 'yes' : 'no')) === 'yes';

function fit(on) {
  find('fit').setAttribute('aria-pressed', String(on));
  if (rfb) rfb.resizeSession = on;
}

const near = (a, b) => Math.abs(a - b) < 2; // a window may have half a pixel
const fits = () => near(picture.width, Math.min(screen.clientWidth, most[0])) && near(picture.height, Math.min(screen.clientHeight, most[1]));

let checking;
let told = false;
/** Says so when the session is not as large as the window: to somebody who asks always, and else once that it has a limit. */
function checkFit(asked = false) {
  clearTimeout(checking);
  checking = setTimeout(() => {
    if (!rfb?.resizeSession || !picture) return;
    if (!fits()) {
      if (!asked) return;
      fit(false);
      toast(t('display.fixed'));
    } else if ((screen.clientWidth > most[0] || screen.clientHeight > most[1]) && (asked || !told)) {
      told = true;
      toast(t('display.limited', most.join(' × ')));
    }
  }, 2500);
}

// Several windows may show one session: it is as large as the one that somebody turns to.
window.addEventListener('focus', () => {
  if (rfb?.resizeSession && picture && !fits()) fit(true);
});

find('fit').addEventListener('click', () => {
  const on = find('fit').getAttribute('aria-pressed') !== 'true';
  localStorage.setItem('fit', on ? 'yes' : 'no');
  fit(on);
  if (on) checkFit(true);
  rfb?.focus();
});

const levels = { best: [9, 1], good: [6, 2], low: [2, 6] };
let quality;

/** Chooses how much the picture may cost; "auto" follows the connection. */
function choose(name) {
  quality = name in levels || name === 'auto' ? name : 'auto';
  for (const input of document.querySelectorAll('[name=quality]')) input.checked = input.value === quality;
  apply(quality === 'auto' ? 'good' : quality);
}

function apply(level) {
  if (rfb) [rfb.qualityLevel, rfb.compressionLevel] = levels[level];
}

find('view').addEventListener('change', (event) => {
  localStorage.setItem('quality', event.target.value);
  choose(event.target.value);
});

/** Shows how the connection is. */
function show({ health, latency, rate }) {
  find('link').dataset.health = health;
  const text = latency === undefined ? '–' : t('display.ms', Math.max(1, Math.round(latency)));
  find('latency').textContent = text;
  find('health').textContent = t('health.' + health);
  find('latency-now').textContent = text;
  find('rate-now').textContent = speed(rate, lang);
  if (quality === 'auto' && latency !== undefined) apply(health === 'poor' ? 'low' : 'good');
}

find('link').addEventListener('click', () => find('view').showModal());
find('view').addEventListener('close', () => rfb?.focus());
find('cad').addEventListener('click', () => { rfb?.sendCtrlAltDel(); rfb?.focus(); });
find('full').addEventListener('click', () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen?.().catch(() => {});
  rfb?.focus();
});

open();
