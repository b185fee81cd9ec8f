// The configuration's state, and what is logged.
import { call, run, t } from './api.js';
import { live } from './live.js';

for (const form of document.querySelectorAll('.levels')) {
  const write = form.querySelector('[type=submit]');
  const selects = [...form.querySelectorAll('select')];
  const initial = (select) => [...select.options].find((o) => o.defaultSelected)?.value ?? '';
  const changed = () => selects.filter((select) => select.value !== initial(select));

  const update = () => { write.disabled = changed().length === 0; };

  form.addEventListener('input', update);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const levels = Object.fromEntries(changed().map((select) => [select.name, select.value]));
    run(write, () => save(form, levels)).then(() => {
      const here = document.activeElement === write;
      update();
      if (here && write.disabled) selects[0].focus();
    });
  });
}

/** Has the file written. Where that is not possible, what has to stand in it is shown. */
async function save(form, levels) {
  const outcome = form.querySelector('.outcome');
  outcome.replaceChildren();
  try {
    const done = await call('PUT', '/api/v1/loglevel', { node: form.dataset.node, levels });
    const waits = done.outcome === 'rejected';
    outcome.append(paragraph(waits ? t('levels.waiting', done.file, done.generation) : t('levels.done', done.file, done.generation)));
    if (!waits) settle(form, done.levels);
  } catch (failure) {
    if (failure.status !== 409 || !failure.detail) throw failure;
    const text = document.createElement('pre');
    text.className = 'log';
    text.tabIndex = 0;
    text.textContent = failure.detail;
    outcome.append(paragraph(failure.message, 'problem'), text);
  }
}

/** What holds now is what the next change is compared with. */
function settle(form, levels) {
  for (const select of form.querySelectorAll('select')) {
    for (const option of select.options) option.defaultSelected = option.value === (levels[select.name] ?? '');
    select.value = levels[select.name] ?? '';
  }
  const lines = Object.keys(levels).sort().filter((name) => levels[name]).map((name) => `${name} = ${levels[name]}\n`);
  form.querySelector('details pre').textContent = lines.join('');
}

function paragraph(text, kind = '') {
  const p = document.createElement('p');
  p.textContent = text;
  p.className = kind;
  return p;
}

live(['node']);
