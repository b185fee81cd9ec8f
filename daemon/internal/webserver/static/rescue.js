// Loads the page again when a part of its program did not come, as when the network changes at that moment.
// It is no module, so that it runs when no module does.
{
  const tries = () => Number(sessionStorage.getItem('tries') ?? 0);
  let failed = false;

  addEventListener('error', ({ target }) => {
    if (failed || !(target instanceof HTMLScriptElement)) return;
    failed = true;
    const wait = Math.min(60_000, 1000 * 2 ** tries()); // ms
    sessionStorage.setItem('tries', tries() + 1);
    setTimeout(() => location.reload(), wait);
    addEventListener('online', () => location.reload());
  }, true); // such an event does not rise from its element

  addEventListener('load', () => {
    if (!failed) sessionStorage.removeItem('tries');
  });
}
