// Recovery at the page, in Chromium: an owner with a passkey, two guardians and a new key with wallets of Ethereum.
// Input: {url, node, executable, keys: {first, second, fresh, linked}}. Prints what was seen as JSON.
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { privateKeyToAccount } from 'viem/accounts';

const { url, node, executable, keys } = JSON.parse(readFileSync(0, 'utf8'));
const browser = await chromium.launch({ executablePath: executable, args: ['--no-sandbox', '--disable-gpu'],
  timeout: 300_000 });
const seen = { console: [] };

const rpc = async (method, ...params) => (await (await fetch(node, { method: 'POST', headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }) })).json()).result;
const days = async (count) => { await rpc('evm_increaseTime', count * 86_400 + 1); await rpc('evm_mine'); };

/** A page of its own, with a wallet of that key (EIP-1193). */
async function person(key) {
  const context = await browser.newContext();
  context.setDefaultTimeout(300_000);
  const page = await context.newPage();
  page.on('console', (said) => { if (said.type() === 'error') seen.console.push(said.text()); });
  page.on('pageerror', (error) => seen.console.push(String(error)));
  const account = privateKeyToAccount(key);
  await context.exposeFunction('walletRequest', async (method, params = []) => {
    if (method === 'eth_requestAccounts') return [account.address];
    if (method === 'personal_sign') return account.signMessage({ message: { raw: params[0] } });
    if (method !== 'eth_signTypedData_v4' || params[0].toLowerCase() !== account.address.toLowerCase()) throw new Error(method);
    const { EIP712Domain: _, ...types } = JSON.parse(params[1]).types;
    return account.signTypedData({ ...JSON.parse(params[1]), types });
  });
  await context.addInitScript(() => { window.ethereum = { request: ({ method, params }) => window.walletRequest(method, params) }; });
  return page;
}

const press = (page, name) => page.getByRole('button', { name }).first().click();
const shows = (page, text) => page.getByText(text).first().waitFor();

try {
  const owner = await person(keys.linked);
  const devtools = await owner.context().newCDPSession(owner);
  await devtools.send('WebAuthn.enable');
  await devtools.send('WebAuthn.addVirtualAuthenticator', { options: { protocol: 'ctap2', transport: 'internal',
    hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true } });
  await owner.goto(`${url}/passport`);
  await press(owner, 'Make a passkey');
  await shows(owner, 'Made.');
  await owner.getByRole('button', { name: 'Passkey', exact: true }).click();
  await press(owner, 'Make a passport');
  const heading = owner.getByRole('heading', { name: /^Passport \d+$/ });
  await heading.waitFor();
  const number = (await heading.textContent()).match(/\d+/)[0];

  await press(owner, "Link this browser's Ethereum wallet");
  await press(owner, /^Have what 0x/);
  await shows(owner, 'It counts for this passport.');
  seen.linked = await owner.locator('.tag', { hasText: 'linked' }).count();

  await owner.getByLabel(/an account a line/).fill([keys.first, keys.second].map((key) => privateKeyToAccount(key).address).join('\n'));
  await owner.getByLabel('Open a recovery').fill('1');
  await owner.getByLabel('Override a veto').fill('2');
  await press(owner, 'Name them');
  await shows(owner, 'Other guardians');
  seen.early = await owner.getByRole('button', { name: /^Carry out/ }).count();
  await days(14);
  await owner.reload();
  await press(owner, 'Carry out: Other guardians');
  await shows(owner, '2 guardians: 1 open a recovery, 2 override a veto.');

  const signedIn = async (key) => {
    const page = await person(key);
    await page.goto(`${url}/passport/recovery?passport=${number}`);
    await press(page, 'Ethereum wallet');
    await page.getByRole('heading', { name: 'Recovery', level: 1 }).waitFor();
    return page;
  };
  const fresh = await signedIn(keys.fresh);
  await press(fresh, 'Ask its guardians');
  await shows(fresh, '0 of 1 approvals');
  seen.stranger = await fresh.getByRole('button', { name: /^Approve/ }).count();

  const first = await signedIn(keys.first);
  await press(first, 'Approve: Recovery for a new key');
  await shows(first, /Waits: until/);

  await owner.reload();
  await owner.getByRole('alert').waitFor();
  await press(owner, 'Veto: Recovery');
  await shows(owner, 'Stopped by a veto.');

  await first.reload();
  await press(first, 'Confirm against the veto');
  await shows(first, '1 of 2 approvals');
  const second = await signedIn(keys.second);
  await press(second, 'Approve: Recovery against a veto');
  await shows(second, 'no veto counts');
  await owner.reload();
  await shows(owner, 'no veto counts');
  seen.vetoes = await owner.getByRole('button', { name: /^Veto/ }).count();
  await days(21);
  await second.reload();
  await press(second, 'Carry out: Recovery');
  await second.locator('section[aria-labelledby=waits]').getByText('Nothing.').waitFor();

  await fresh.goto(`${url}/passport`);
  seen.recovered = (await fresh.getByRole('heading', { level: 1 }).textContent()) === `Passport ${number}`;
  seen.keys = await fresh.locator('section[aria-labelledby=keys] .tag').allTextContents();
  await owner.goto(`${url}/passport`);
  seen.lost = await owner.getByRole('heading', { level: 1 }).textContent();
  seen.unnamed = await fresh.locator('button, a, input:not([type=hidden]), textarea').evaluateAll((all) =>
    all.filter((one) => !(one.getAttribute('aria-label') || one.textContent.trim() || one.labels?.length)).length);
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
