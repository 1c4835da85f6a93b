import { asJson, assertion, call, fromHex, on, read } from './api.js';

on('create', async (button, say) => {
  const key = { kind: button.dataset.kind, data: button.dataset.data };
  const act = { act: 'create', key };
  const { deadlineS, signatures: [asked] } = await call('/v1/acts/prepare', { act });
  let proof;
  if (key.kind === 'passkey') {
    const digest = btoa(String.fromCharCode(...fromHex(asked.digest))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
    proof = { credential: asJson(await assertion({ challenge: digest, userVerification: 'required' })) };
  } else if (key.kind === 'evm') {
    proof = { signature: await window.ethereum.request({ method: 'eth_signTypedData_v4', params: [key.data, JSON.stringify(asked.typedData)] }) };
  } else {
    const { signature } = await window.solana.signMessage(new TextEncoder().encode(asked.text.text), 'utf8');
    proof = { issuedAtS: asked.text.issuedAtS, signature: `0x${[...signature].map((one) => one.toString(16).padStart(2, '0')).join('')}` };
  }
  const job = await call('/v1/acts', { act, deadlineS, proofs: [proof] });
  say('On its way to the chain.');
  for (;;) {
    const { state, error } = await read(`/v1/jobs/${job.number}`);
    if (state === 'done') return location.reload();
    if (state === 'failed') throw new Error(error);
    await new Promise((later) => setTimeout(later, 300));
  }
});
