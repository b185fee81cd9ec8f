// The nodes, and the way to keep new sessions from one.
import { call, t } from './api.js';
import { confirmed, live, refresh } from './live.js';

const path = (node) => `/api/v1/nodes/${encodeURIComponent(node)}/drain`;

document.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  const { drain, undrain } = button?.dataset ?? {};
  if (drain) {
    confirmed(button, { title: t('drain', drain), lead: t('drain.lead'), yes: t('drain.yes') }, async () => {
      await call('POST', path(drain));
      await refresh();
    });
  }
  if (undrain) {
    confirmed(button, { title: t('undrain', undrain), lead: t('undrain.lead'), yes: t('undrain.yes') }, async () => {
      await call('DELETE', path(undrain));
      await refresh();
    });
  }
});

live(['node']);
