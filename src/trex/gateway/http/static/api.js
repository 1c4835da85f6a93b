// Calls of the gateway, and what wallets and authenticators want in other forms.
export async function call(path, body) {
  const answer = await fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body ?? {}) });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.detail ?? said.title);
  return said;
}

export async function read(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.json();
}

/** Runs what buttons do, once at a time, and says what went wrong; until then they are disabled (GTW-065). */
export function on(selector, act) {
  const status = document.getElementById('status');
  for (const button of document.querySelectorAll(selector)) {
    button.addEventListener('click', async (event) => {
      event.preventDefault();
      button.disabled = true;
      try {
        status.textContent = 'Waiting for your wallet or device.';
        await act(button, (text) => { status.textContent = text; });
      } catch (error) {
        status.textContent = `Not done: ${error.message}`;
      } finally {
        button.disabled = false;
      }
    });
    button.disabled = false;
  }
}

export const hex = (bytes) => `0x${[...bytes].map((one) => one.toString(16).padStart(2, '0')).join('')}`;
export const fromHex = (text) => Uint8Array.from(text.slice(2).match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
export const fromBase64url = (text) => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (one) => one.charCodeAt(0));
const base64url = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');

/** A credential as `PublicKeyCredential.toJSON` writes it, in browsers that lack it too. */
export function asJson(credential) {
  const response = {};
  for (const name of ['clientDataJSON', 'attestationObject', 'authenticatorData', 'signature']) {
    if (credential.response[name]) response[name] = base64url(credential.response[name]);
  }
  return { id: credential.id, rawId: base64url(credential.rawId), type: credential.type, response };
}

export async function assertion(options) {
  const allowed = (options.allowCredentials ?? []).map((one) => ({ ...one, id: fromBase64url(one.id) }));
  return navigator.credentials.get({ publicKey: { ...options, challenge: fromBase64url(options.challenge), allowCredentials: allowed } });
}
