// The search field: what does not match is hidden.
import { t } from './api.js';

const field = document.getElementById('find');
const plain = (text) => text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();

const matching = () => document.querySelectorAll('[data-find]:not([hidden])');

/** Shows what matches the field, and everything when that is empty. */
export function search() {
  const words = plain(field.value).split(/\s+/).filter(Boolean);
  for (const item of document.querySelectorAll('[data-find]')) {
    const text = plain(item.dataset.find);
    item.hidden = !words.every((word) => text.includes(word));
  }
  for (const list of document.querySelectorAll('ul.cards, ul.rows, ul.apps')) {
    const empty = words.length > 0 && !list.querySelector('[data-find]:not([hidden])');
    list.hidden = empty;
    if (list.previousElementSibling?.matches('h2, h3')) list.previousElementSibling.hidden = empty;
  }
  const found = document.getElementById('found');
  found.textContent = words.length ? t('find.found', matching().length) : '';
  found.className = words.length && matching().length === 0 ? 'empty' : 'hidden';
}

field.addEventListener('input', search);
field.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') {
    field.value = '';
    search();
  } else if (event.key === 'Enter' || event.key === 'ArrowDown') {
    matching()[0]?.querySelector('h2 a, h3 a, button')?.focus();
  } else {
    return;
  }
  event.preventDefault();
});

document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.ctrlKey || event.altKey || event.metaKey || event.target.closest('input, textarea, dialog')) return;
  event.preventDefault();
  field.select();
  field.focus();
});
