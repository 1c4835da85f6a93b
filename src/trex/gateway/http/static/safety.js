// What keeps a passport safe: guardians, vetoes, recovery, links and moves of wallets.
import { carryOut, finished, sign, walletKey } from './acts.js';
import { call, on } from './api.js';

const main = document.getElementById('main');
const passport = Number(main.dataset.passport);
const me = { kind: main.dataset.kind, data: main.dataset.data };
const act = (name, more) => ({ act: name, passport, actor: me, ...more });

on('[data-veto]', async (button, say) => {
  await carryOut(act('veto', { subject: button.dataset.veto }), say);
  location.reload();
});

on('[data-execute]', async (button, say) => {
  const job = await call('/v1/executions', { passport, subject: button.dataset.execute });
  await finished(job.number, say);
  location.reload();
});

on('#name-guardians', async (button, say) => {
  const form = new FormData(button.form);
  const accounts = String(form.get('accounts')).split(/\s+/).filter(Boolean);
  const wish = { accounts, quorum: Number(form.get('quorum')), overrideQuorum: Number(form.get('override')) };
  await carryOut(act('guardians', wish), say);
  location.reload();
});

on('[data-link]', async (button, say) => {
  await carryOut(act('link', { role: 'linked', key: await walletKey(button.dataset.link) }), say);
  location.reload();
});

on('[data-move]', async (button, say) => {
  const { job, moving } = await call('/v1/moves', { key: JSON.parse(button.dataset.move) });
  await finished(job, say);
  say(moving ? 'The move has begun: its holder can object for 45 days. Then come back and complete it.' : 'It counts for this passport.');
});

on('#recover', async (_, say) => {
  const { deadlineS, signatures: [asked] } = await call('/v1/recoveries/prepare', { passport });
  await call('/v1/recoveries', { passport, purpose: 'open', deadlineS, proof: await sign(asked) });
  say('Asked. Send your guardians the address of this page.');
  location.reload();
});

const approve = async (number, say) => {
  const { signatures: [asked] } = await call(`/v1/recoveries/${number}/approvals/prepare`);
  const { job } = await call(`/v1/recoveries/${number}/approvals`, { proof: await sign(asked) });
  if (job) await finished(job, say);
  location.reload();
};

on('[data-approve]', (button, say) => approve(button.dataset.approve, say));

on('[data-propose]', async (button, say) => {
  const { number } = await call('/v1/recoveries', { passport, purpose: button.dataset.propose });
  await approve(number, say);
});
