// What @sd-jwt/core and jose say of presented credentials and status lists: {key, tokens, lists, now}, all by name. Output: JSON.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { SDJwtInstance } from '@sd-jwt/core';
import { compactVerify, importJWK, jwtVerify } from 'jose';

const { key: jwk, tokens, lists, now } = JSON.parse(readFileSync(0, 'utf8'));
const key = await importJWK(jwk, 'ES256');
const hasher = (data, algorithm) => createHash(algorithm.replace('-', '')).update(data).digest();
const verifier = async (data, signature) => {
  try { await compactVerify(`${data}.${signature}`, key); return true; } catch { return false; }
};
const answer = { tokens: {}, lists: {} };
const sdjwt = new SDJwtInstance({ hasher, verifier, hashAlg: 'sha-256' });
for (const [name, token] of Object.entries(tokens)) {
  try { answer.tokens[name] = (await sdjwt.verify(token)).payload.credentialSubject; } catch (error) { answer.tokens[name] = `refused: ${error.message}`; }
}
for (const [name, list] of Object.entries(lists)) {
  try {
    answer.lists[name] = (await jwtVerify(list, key, { algorithms: ['ES256'], currentDate: new Date(now * 1000) })).payload.id;
  } catch (error) { answer.lists[name] = `refused: ${error.code}`; }
}
console.log(JSON.stringify(answer));
