// The keyboard: what noVNC does not do. Accents of dead keys, shortcuts that the browser
// keeps for itself unless it is asked, the way out, and typing on a touch screen.
const screen = document.getElementById('screen');
let rfb;
let picture; // what noVNC draws on, which it leaves out of the order of Tab

/** Takes over a connection whose picture is on the page; without one, the picture that stays takes no keys. */
export function attach(connection) {
  rfb = connection;
  if (picture) picture.tabIndex = -1;
  picture = connection && screen.querySelector('canvas:not(#still canvas)');
  if (!picture) return;
  picture.tabIndex = 0;
  picture.setAttribute('role', 'application');
  picture.setAttribute('aria-label', screen.getAttribute('aria-label'));
}

const keysym = (c) => (c.codePointAt(0) < 0x100 ? c.codePointAt(0) : 0x1000000 + c.codePointAt(0));

/** Types text, whatever keys would make it. */
export function type(text) {
  for (const c of text) rfb?.sendKey(keysym(c), null);
}

// A browser tells that a key is dead, and not which. Where it tells what is printed on it, that
// and Shift say which accent is meant.
const marks = { '^': '\u0302', '´': '\u0301', '`': '\u0300', '¨': '\u0308', '~': '\u0303', '°': '\u030a', 'ˇ': '\u030c', '¸': '\u0327', '˛': '\u0328', '"': '\u030b' };
const withShift = { '^': '¨', '´': '`', '`': '^', '~': '^', '¨': '^' };
const shiftedAt = { Quote: { '´': '¨' } }; // Spanish

let printed = new Map();
const readLayout = async () => { printed = await navigator.keyboard?.getLayoutMap?.().catch(() => printed) ?? printed; };
readLayout();
navigator.keyboard?.addEventListener?.('layoutchange', readLayout);
window.addEventListener('focus', readLayout);

function accent({ code, shiftKey }) {
  let sign = (printed.get(code) ?? '').normalize('NFC');
  sign = Object.keys(marks).find((s) => marks[s] === sign) ?? sign;
  if (shiftKey) sign = shiftedAt[code]?.[sign] ?? withShift[sign];
  return sign in marks ? sign : '';
}

let waiting = ''; // the sign of a dead key that was pressed

/** What a key makes after a dead one: "é", or both when there is no such letter. */
export function compose(sign, key) {
  if (key === ' ' || key === sign) return sign;
  const letter = (key + marks[sign]).normalize('NFC');
  return [...letter].length === 1 ? letter : sign + key;
}

screen.addEventListener('keydown', (event) => {
  if (['Shift', 'AltGraph', 'CapsLock'].includes(event.key)) return;
  const before = waiting;
  waiting = '';
  if (event.key === 'Dead') {
    const sign = accent(event);
    if (before) type(before === sign ? sign : before);
    if (!before) waiting = sign;
  } else if (before && [...event.key].length === 1 && !event.ctrlKey && !event.metaKey) {
    type(/^[\x20-\x7e]$/.test(event.key) ? compose(before, event.key) : event.key); // else the browser composed it
  } else {
    return;
  }
  event.preventDefault();
  event.stopPropagation();
}, true);

// The session takes every key, Tab too; these three together give the keyboard back.
document.addEventListener('keydown', (event) => {
  if (!(event.ctrlKey && event.altKey && event.shiftKey) || !screen.contains(document.activeElement)) return;
  window.dispatchEvent(new Event('blur')); // noVNC lets go of the keys it holds down
  if (document.fullscreenElement) document.exitFullscreen();
  document.querySelector('.tools button:not([hidden])').focus();
}, true);

// In full screen the session may have Alt+Tab, Ctrl+W and Escape, where the browser gives them. Who leaves
// it keeps the keyboard where it is: perhaps they have just taken it back from the session.
document.addEventListener('fullscreenchange', () => {
  const keyboard = navigator.keyboard;
  if (!document.fullscreenElement) {
    keyboard?.unlock?.();
    return;
  }
  keyboard?.lock?.().catch(() => {});
  rfb?.focus();
});

// On a touch screen a hidden field brings the keyboard up; what is typed there is sent on.
const typing = document.getElementById('typing');
document.getElementById('keys').addEventListener('click', () => typing.focus());
typing.addEventListener('input', (event) => {
  if (event.isComposing) return;
  type(typing.value);
  typing.value = '';
});
typing.addEventListener('compositionend', () => {
  type(typing.value);
  typing.value = '';
});
typing.addEventListener('keydown', (event) => {
  const code = { Backspace: 0xff08, Tab: 0xff09, Enter: 0xff0d, Escape: 0xff1b }[event.key];
  if (!code || event.isComposing) return;
  event.preventDefault();
  rfb?.sendKey(code, event.key);
});
