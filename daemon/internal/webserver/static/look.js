// Takes over what an administrator changes of the looks and the messages, without loading the page again.
import { base } from './api.js';

const digest = document.querySelector('meta[name=look]'); // with the name in the title
const error = document.querySelector('[data-error]')?.dataset.error ?? '';
let asking = false;

/** Asks whether the look is still the same, and swaps it when it is not. */
export async function refreshLook() {
  if (asking || document.hidden) return;
  asking = true;
  try {
    const response = await fetch(`${base}/fragments/look?have=${digest.content}&error=${error}`);
    if (response.status === 200) swap(new DOMParser().parseFromString(await response.text(), 'text/html').getElementById('look'));
  } catch {
    // The server is away; the next time it may be back.
  } finally {
    asking = false;
  }
}

function swap(fresh) {
  if (!fresh) return;
  const { look, logo, type, sheet } = fresh.dataset;
  for (const id of ['announcements', 'motd', 'replaced']) {
    document.getElementById(id)?.replaceChildren(...fresh.querySelector('#' + id).childNodes);
  }
  const usual = document.getElementById('usual');
  if (usual) usual.hidden = document.getElementById('replaced').hasChildNodes();
  for (const image of document.querySelectorAll('[data-logo]')) image.src = logo;
  Object.assign(document.querySelector('link[rel=icon]'), { type, href: logo });
  rename(fresh.dataset.brand);
  restyle(sheet);
  digest.content = look;
}

function rename(name) {
  const suffix = ' · ' + digest.dataset.name;
  if (document.title.endsWith(suffix)) document.title = document.title.slice(0, -suffix.length) + ' · ' + name;
  for (const element of document.querySelectorAll('[data-brand]')) element.textContent = name;
  digest.dataset.name = name;
}

/** The old style sheet goes when the new one is there, so that nothing flickers. */
function restyle(sheet) {
  const old = document.getElementById('theme');
  const next = Object.assign(document.createElement('link'), { rel: 'stylesheet', href: sheet, id: 'theme' });
  next.onload = next.onerror = () => old.remove();
  old.removeAttribute('id');
  old.after(next);
}

setInterval(refreshLook, 10_000);
document.addEventListener('visibilitychange', refreshLook);
