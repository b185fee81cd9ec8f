// What a page owes to people who see little, hear it read aloud, or have no mouse. Evaluates to
// the list of what is wrong, each as "rule: element: why". The rules are WCAG 2.2 AA's, as far as a
// program can tell.
(() => {
  const problems = [];
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const describe = (e) => {
    const id = e.id ? '#' + e.id : '';
    const kind = typeof e.className === 'string' && e.className ? '.' + e.className.trim().split(/\s+/).join('.') : '';
    return `<${e.localName}${id}${kind}> ${JSON.stringify((e.textContent ?? '').trim().replace(/\s+/g, ' ').slice(0, 40))}`;
  };
  const report = (rule, e, why) => problems.push(`${rule}: ${e ? describe(e) : 'page'}: ${why}`);

  const shown = (e) => e.checkVisibility({ checkVisibilityCSS: true, checkOpacity: true }) && e.getClientRects().length > 0;
  const modal = document.querySelector('dialog:modal');
  const active = (e) => shown(e) && (!modal || modal.contains(e)); // what lies behind a modal dialog is out of reach
  const unheard = (e) => Boolean(e.closest('[aria-hidden=true]'));
  const clipped = (e) => { const box = e.getBoundingClientRect(); return box.width <= 1 || box.height <= 1; };

  // --- names
  const byIDs = (ids) => ids.split(/\s+/).map((id) => document.getElementById(id)).filter(Boolean).map((e) => text(e)).join(' ').trim();
  function text(node) {
    if (node.nodeType === Node.TEXT_NODE) return node.data;
    if (node.nodeType !== Node.ELEMENT_NODE || node.getAttribute('aria-hidden') === 'true' || node.hidden) return '';
    if (node.getAttribute('aria-label')) return node.getAttribute('aria-label');
    if (node.localName === 'img') return node.alt;
    return Array.from(node.childNodes, text).join('');
  }
  function name(e) {
    const labelled = e.getAttribute('aria-labelledby');
    if (labelled) return byIDs(labelled);
    const own = e.getAttribute('aria-label')?.trim();
    if (own) return own;
    if (e.labels?.length) return Array.from(e.labels, text).join(' ').trim();
    if (['input', 'select', 'textarea'].includes(e.localName)) return e.title.trim();
    return text(e).trim() || (e.getAttribute('title') ?? '').trim();
  }
  const controls = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [role=button], [role=link], [role=checkbox], [role=tab], [role=menuitem]';
  for (const e of all(controls)) if (shown(e) && !unheard(e) && !name(e)) report('name', e, 'has no accessible name');
  for (const e of all('dialog, [role=dialog], [role=alertdialog], [role=toolbar], [role=group], nav, form[aria-label]')) {
    if (shown(e) && !(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') && byIDs(e.getAttribute('aria-labelledby')))) {
      report(e.matches('dialog, [role=dialog], [role=alertdialog]') ? 'dialog' : 'group-name', e, 'has no label');
    }
  }
  for (const e of all('fieldset')) if (shown(e) && !e.querySelector(':scope > legend')?.textContent.trim()) report('group-name', e, 'has no legend');
  for (const e of all('img, [role=img]')) {
    if (e.localName === 'img' ? !e.hasAttribute('alt') : !name(e)) report('alt', e, 'has no alternative text');
  }

  // --- the document
  if (!/^[a-z]{2,3}(-[A-Za-z0-9]+)*$/.test(document.documentElement.lang)) report('lang', null, 'the page does not say its language');
  if (!document.title.trim()) report('title', null, 'the page has no title');
  const viewport = document.querySelector('meta[name=viewport]')?.content ?? '';
  if (/user-scalable\s*=\s*(no|0)|maximum-scale\s*=\s*[01](\.\d+)?\b/.test(viewport)) report('zoom', null, 'the page forbids zooming');
  const ids = new Map();
  for (const e of all('[id]')) {
    if (ids.has(e.id)) report('id', e, `has the id of another element`);
    ids.set(e.id, e);
  }

  // --- landmarks and headings
  const mains = all('main, [role=main]').filter(shown);
  if (mains.length !== 1) report('landmark', null, `there are ${mains.length} main landmarks`);
  const within = 'main, header, footer, nav, aside, dialog, [role=search], [role=status], [role=alert], [role=note], [role=region], [aria-live], noscript, .skip, script, style';
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const e = node.parentElement;
    if (node.data.trim() && shown(e) && !unheard(e) && !e.closest(within)) report('landmark', e, 'stands outside of every landmark');
  }
  let level = 0;
  const headings = all('h1, h2, h3, h4, h5, h6').filter((e) => shown(e) && !unheard(e) && !e.closest('dialog'));
  const first = headings.filter((e) => e.localName === 'h1').length;
  if (first !== 1) report('heading', null, `there are ${first} headings of level 1`);
  for (const e of headings) {
    const n = Number(e.localName[1]);
    if (n > level + 1) report('heading', e, `level ${n} follows level ${level}`);
    if (!text(e).trim()) report('heading', e, 'is empty');
    level = n;
  }
  for (const e of all('ul, ol')) for (const c of e.children) if (!['li', 'script', 'template'].includes(c.localName)) report('list', c, 'stands directly in a list');
  for (const e of all('li')) if (!e.parentElement.matches('ul, ol, menu')) report('list', e, 'stands in no list');

  // --- contrast
  const parse = (c) => {
    const n = c.match(/[\d.]+%?/g)?.map((v) => (v.endsWith('%') ? parseFloat(v) * 2.55 : Number(v))) ?? [0, 0, 0, 0];
    if (c.startsWith('color(')) return [n[0] * 255, n[1] * 255, n[2] * 255, n[3] ?? 1];
    return [n[0], n[1], n[2], n[3] ?? 1];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  function ground(e) {
    const layers = [];
    for (let at = e; at; at = at.parentElement) {
      if (at.matches('dialog:modal')) { layers.push(parse(getComputedStyle(at).backgroundColor)); break; }
      layers.push(parse(getComputedStyle(at).backgroundColor));
      if (layers.at(-1)[3] === 1) break;
    }
    const canvas = matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18, 1] : [255, 255, 255, 1];
    return layers.reverse().reduce((below, top) => over(top, below), canvas);
  }
  const luminance = (c) => {
    const [r, g, b] = c.slice(0, 3).map((v) => { const s = v / 255; return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => { const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const seen = new Set();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const readable = (e, pseudo) => {
    const style = getComputedStyle(e, pseudo);
    const back = ground(e);
    const ratio = contrast(over(parse(style.color), back), back);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || size >= 18.66 && Number(style.fontWeight) >= 700;
    if (ratio < (large ? 3 : 4.5) - 0.01) report('contrast', e, `${ratio.toFixed(2)} : 1 ${pseudo ?? ''}(${style.color} on rgb(${back.slice(0, 3).map(Math.round)}))`);
  };
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    const e = node.parentElement;
    if (!node.data.trim() || seen.has(e) || !active(e) || clipped(e) || e.closest('.hidden, option, :disabled')) continue;
    seen.add(e);
    readable(e);
  }
  for (const e of all('input, textarea')) {
    if (!active(e) || clipped(e) || ['radio', 'checkbox', 'hidden'].includes(e.type)) continue;
    readable(e);
    if (e.placeholder && !e.value) readable(e, '::placeholder');
  }

  // --- without a mouse
  const focusable = all(`${controls}, [tabindex]`).filter((e) => active(e) && !e.disabled);
  const before = document.activeElement;
  for (const e of focusable) {
    if (e.tabIndex > 0) report('tab-order', e, 'has a place of its own in the order of Tab');
    if (unheard(e)) {
      if (e.tabIndex >= 0) report('aria-hidden', e, 'can be reached and is hidden from screen readers');
      continue;
    }
    if (e.tabIndex < 0 && e.matches(controls)) report('tab-order', e, 'cannot be reached with Tab');
    if (e.tabIndex < 0) continue;
    const looks = () => { const s = getComputedStyle(e); return `${s.outlineStyle} ${s.outlineWidth} ${s.outlineColor} ${s.boxShadow} ${s.borderColor} ${s.backgroundColor}`; };
    e.blur();
    const plain = looks();
    e.focus({ preventScroll: true, focusVisible: true });
    if (document.activeElement === e && looks() === plain) report('focus', e, 'looks the same when it has the keyboard');
  }
  if (before && before !== document.body) before.focus({ preventScroll: true });
  else document.activeElement?.blur();
  for (const e of focusable) {
    if (unheard(e) || !e.matches(controls)) continue;
    const box = (e.labels?.[0] && ['radio', 'checkbox'].includes(e.type) ? e.labels[0] : e).getBoundingClientRect();
    const inSentence = getComputedStyle(e).display === 'inline' && e.parentElement.textContent.trim() !== e.textContent.trim();
    if (!inSentence && !clipped(e) && (box.width < 23.9 || box.height < 23.9)) report('target', e, `is ${Math.round(box.width)} x ${Math.round(box.height)} pixels`);
  }
  for (const e of all('*')) {
    const style = getComputedStyle(e);
    if (!active(e) || !/auto|scroll/.test(style.overflowY + style.overflowX) || e.localName === 'textarea') continue;
    const scrolls = e.scrollHeight > e.clientHeight + 1 || e.scrollWidth > e.clientWidth + 1;
    if (scrolls && e !== document.scrollingElement && e.tabIndex < 0 && !e.querySelector(controls + ', canvas')) report('scroll', e, 'scrolls and cannot be reached with Tab');
  }
  const wide = document.scrollingElement.scrollWidth - document.documentElement.clientWidth;
  if (wide > 0) {
    const culprit = all('body *').find((e) => shown(e) && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1);
    report('width', culprit ?? null, `the page is ${wide} pixels wider than the window`);
  }

  // --- ARIA
  const tokens = {
    'aria-hidden': 'true false', 'aria-pressed': 'true false mixed', 'aria-expanded': 'true false', 'aria-busy': 'true false', 'aria-selected': 'true false',
    'aria-checked': 'true false mixed', 'aria-disabled': 'true false', 'aria-modal': 'true false', 'aria-atomic': 'true false', 'aria-invalid': 'true false grammar spelling',
    'aria-live': 'off polite assertive', 'aria-haspopup': 'true false menu listbox tree grid dialog', 'aria-current': 'page step location date time true false', 'aria-sort': 'ascending descending none other',
  };
  const references = ['aria-labelledby', 'aria-describedby', 'aria-controls', 'aria-owns', 'aria-details', 'aria-errormessage', 'aria-activedescendant'];
  const free = ['aria-label', 'aria-keyshortcuts', 'aria-valuenow', 'aria-valuemin', 'aria-valuemax', 'aria-valuetext', 'aria-level', 'aria-setsize', 'aria-posinset', 'aria-roledescription', 'aria-description', 'aria-relevant'];
  const roles = 'alert alertdialog application banner button cell checkbox columnheader complementary contentinfo dialog figure form group heading img link list listitem log main marquee menu menubar menuitem meter navigation none note presentation progressbar radio radiogroup region row rowgroup rowheader search searchbox separator status switch tab table tablist tabpanel textbox timer toolbar tooltip'.split(' ');
  for (const e of all('*')) {
    for (const { name: attribute, value } of Array.from(e.attributes)) {
      if (attribute === 'role' && !value.split(/\s+/).every((r) => roles.includes(r))) report('aria', e, `there is no role ${value}`);
      if (!attribute.startsWith('aria-')) continue;
      if (references.includes(attribute)) {
        for (const id of value.split(/\s+/)) if (!document.getElementById(id)) report('aria', e, `${attribute} names ${id}, which is not there`);
      } else if (attribute in tokens) {
        if (!tokens[attribute].split(' ').includes(value)) report('aria', e, `${attribute} cannot be ${JSON.stringify(value)}`);
      } else if (!free.includes(attribute)) report('aria', e, `there is no ${attribute}`);
    }
  }
  for (const e of all('label[for]')) if (!document.getElementById(e.htmlFor)) report('label', e, `is for ${e.htmlFor}, which is not there`);
  return problems;
})()
