import { carryOut } from './acts.js';
import { on } from './api.js';

on('#create', async (button, say) => {
  await carryOut({ act: 'create', key: { kind: button.dataset.kind, data: button.dataset.data } }, say);
  location.reload();
});
