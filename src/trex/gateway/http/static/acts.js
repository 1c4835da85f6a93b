// Acts on passports: has every key that is asked for sign, sends the proofs, waits for the chain.
import { asJson, assertion, call, fromHex, hex, read } from './api.js';

/** Signs one thing that a gateway asks for, by the kind of its key. */
export async function sign(asked) {
  const { kind, data } = asked.by;
  if (kind === 'passkey') {
    const digest = btoa(String.fromCharCode(...fromHex(asked.digest))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
    return { credential: asJson(await assertion({ challenge: digest, userVerification: 'required' })) };
  }
  if (kind === 'evm') {
    const params = [data, JSON.stringify(asked.typedData)];
    return { signature: await window.ethereum.request({ method: 'eth_signTypedData_v4', params }) };
  }
  const { signature } = await window.solana.signMessage(new TextEncoder().encode(asked.text.text), 'utf8');
  return { issuedAtS: asked.text.issuedAtS, signature: hex(signature) };
}

/** Waits until a job has an end. */
export async function finished(number, say) {
  say('On its way to the chain.');
  for (;;) {
    const { state, error } = await read(`/v1/jobs/${number}`);
    if (state === 'done') return;
    if (state === 'failed') throw new Error(error);
    await new Promise((later) => setTimeout(later, 300));
  }
}

/** Carries an act out: one signature after the other, as they are asked for. */
export async function carryOut(act, say) {
  const { deadlineS, signatures } = await call('/v1/acts/prepare', { act });
  const proofs = [];
  for (const asked of signatures) proofs.push(await sign(asked));
  const job = await call('/v1/acts', { act, deadlineS, proofs });
  await finished(job.number, say);
}

/** The account of this browser's wallet, as a key. */
export async function walletKey(family) {
  if (family === 'ethereum') {
    if (!window.ethereum) throw new Error('this browser has no Ethereum wallet');
    const [address] = await window.ethereum.request({ method: 'eth_requestAccounts' });
    return { kind: 'evm', data: address.toLowerCase() };
  }
  if (!window.solana) throw new Error('this browser has no Solana wallet');
  const { publicKey } = await window.solana.connect();
  return { kind: 'ed25519', data: hex(publicKey.toBytes()) };
}
