// The keyboard's place on a page whose cards are drawn anew.

const controls = (card) => [...card.querySelectorAll('a[href], button, summary')].filter((e) => e.tabIndex >= 0);
const name = (card) => card.id || card.dataset.key;

/**
 * Notes where the keyboard is among the cards of a part of the page. What it returns is called when they have been
 * drawn anew: where that has taken the keyboard's place away, it goes to the same card, else to the next, else to the heading.
 */
export function keepPlace(part, cards, from = document.activeElement) {
  const card = from?.closest(cards);
  if (!card) return () => {};
  const called = name(card);
  const row = [...part.querySelectorAll(cards)].findIndex((one) => name(one) === called);
  const column = controls(card).indexOf(from);
  return () => {
    if (document.activeElement !== document.body) return;
    const now = [...part.querySelectorAll(cards)].filter((one) => !one.hidden);
    const same = now.find((one) => name(one) === called);
    const next = same ? controls(same)[column] ?? controls(same).at(-1) : controls(now[Math.min(Math.max(row, 0), now.length - 1)] ?? part)[0];
    (next ?? document.querySelector('h1'))?.focus();
  };
}
