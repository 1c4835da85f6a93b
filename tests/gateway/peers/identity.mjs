// Reads a DID document and a credential as others do: did-resolver, jose and @sd-jwt/core. Input and output: JSON.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { SDJwtInstance } from '@sd-jwt/core';
import { Resolver } from 'did-resolver';
import { compactVerify, importJWK } from 'jose';

const { did, gateway, credential, reveal, status } = JSON.parse(readFileSync(0, 'utf8'));
const answer = {};
const trex = async (name) => await (await fetch(`${gateway}/1.0/identifiers/${name}`)).json();
const resolver = new Resolver({ trex });
answer.resolved = await resolver.resolve(did);

const issuer = await (await fetch(`${gateway}/.well-known/did.json`)).json();
const key = await importJWK(issuer.verificationMethod[0].publicKeyJwk, 'ES256');
const hasher = (data, algorithm) => createHash(algorithm.replace('-', '')).update(data).digest();
const verifier = async (data, signature) => {
  try { await compactVerify(`${data}.${signature}`, key); return true; } catch { return false; }
};
if (credential) {
  const sdjwt = new SDJwtInstance({ hasher, verifier, hashAlg: 'sha-256', kbVerifier: async () => true });
  const presented = await sdjwt.present(credential, { credentialSubject: reveal });
  answer.presented = presented;
  answer.payload = (await sdjwt.verify(presented)).payload;
  const all = await sdjwt.verify(credential);
  answer.all = all.payload;
}
if (status) {
  const { payload } = await compactVerify(await (await fetch(status.url)).text(), key);
  const list = JSON.parse(new TextDecoder().decode(payload));
  const bits = gunzipSync(Buffer.from(list.credentialSubject.encodedList.slice(1), 'base64url'));
  answer.status = { type: list.type, length: bits.length * 8,
    set: status.indices.map((at) => (bits[at >> 3] >> (7 - (at & 7))) & 1) };
}
console.log(JSON.stringify(answer));
