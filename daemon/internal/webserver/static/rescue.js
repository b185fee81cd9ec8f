// Loads the page again when a part of its program did not come, as when the network changes at that moment.
// It is no module and comes first, so that it runs when nothing else does.
{
  const tries = () => Number(sessionStorage.getItem('tries') ?? 0);
  let failed = false;

  const again = () => {
    if (failed) return;
    failed = true;
    const wait = Math.min(60_000, 1000 * 2 ** tries()); // ms
    sessionStorage.setItem('tries', tries() + 1);
    setTimeout(() => location.reload(), wait);
    addEventListener('online', () => location.reload());
  };

  addEventListener('error', ({ target }) => {
    if (target instanceof HTMLScriptElement || target.rel === 'stylesheet') again();
  }, true); // such an event does not rise from its element
  addEventListener('incomplete', again); // said by who loads a part by itself

  addEventListener('load', () => {
    if (!failed) sessionStorage.removeItem('tries');
  });
}
