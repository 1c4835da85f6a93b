import { asJson, assertion, call, fromBase64url, hex, on } from './api.js';

const enter = async (signIn) => {
  await call('/v1/sessions', { signIn: { ...signIn, cookie: true } });
  location.reload();
};

on('#wallet', async () => {
  if (!window.ethereum) throw new Error('this browser has no Ethereum wallet');
  const [address] = await window.ethereum.request({ method: 'eth_requestAccounts' });
  const { text } = await call('/v1/nonces', { account: address });
  const signature = await window.ethereum.request({ method: 'personal_sign', params: [hex(new TextEncoder().encode(text)), address] });
  await enter({ method: 'text', text, signature });
});

on('#solana', async () => {
  if (!window.solana) throw new Error('this browser has no Solana wallet');
  const { publicKey } = await window.solana.connect();
  const { text } = await call('/v1/nonces', { account: publicKey.toString() });
  const { signature } = await window.solana.signMessage(new TextEncoder().encode(text), 'utf8');
  await enter({ method: 'text', text, signature: hex(signature) });
});

on('#passkey', async () => {
  await enter({ method: 'passkey', credential: asJson(await assertion(await call('/v1/passkeys/options'))) });
});

on('#new-passkey', async (_, say) => {
  const options = await call('/v1/passkeys/new/options');
  const made = await navigator.credentials.create({ publicKey: { ...options,
    challenge: fromBase64url(options.challenge),
    user: { ...options.user, id: fromBase64url(options.user.id) }, excludeCredentials: [] } });
  await call('/v1/passkeys', { credential: asJson(made) });
  say('Made. Now sign in with it.');
});
