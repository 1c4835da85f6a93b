// A person at the page, in Chromium: makes a passkey, signs in with it, makes a passport, asks for a badge, signs out.
// Input: {url, chromium, shots}. Prints what was seen as JSON.
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

const { url, executable, shots } = JSON.parse(readFileSync(0, 'utf8'));
const browser = await chromium.launch({ executablePath: executable, args: ['--no-sandbox', '--disable-gpu'],
  timeout: 300_000 });
const seen = { console: [] };
try {
  const context = await browser.newContext({ viewport: { width: 900, height: 1100 } });
  context.setDefaultTimeout(300_000);
  const page = await context.newPage();
  page.on('console', (said) => { if (said.type() === 'error') seen.console.push(said.text()); });
  page.on('pageerror', (error) => seen.console.push(String(error)));
  const devtools = await context.newCDPSession(page);
  await devtools.send('WebAuthn.enable');
  await devtools.send('WebAuthn.addVirtualAuthenticator', { options: { protocol: 'ctap2', transport: 'internal',
    hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true } });
  await page.goto(`${url}/passport`);
  seen.signIn = await page.getByRole('heading', { level: 1 }).textContent();
  await page.getByRole('button', { name: 'Make a passkey' }).click();
  await page.getByRole('status').filter({ hasText: 'Made.' }).waitFor();
  await page.getByRole('button', { name: 'Passkey', exact: true }).click();
  await page.getByRole('heading', { name: 'No passport yet' }).waitFor();
  await page.getByRole('button', { name: 'Make a passport' }).click();
  await page.getByRole('heading', { name: /^Passport \d+$/ }).waitFor();
  seen.passport = await page.getByRole('heading', { level: 1 }).textContent();
  await page.waitForLoadState();
  const ask = page.getByRole('button', { name: /^Ask for/ }).first();
  if (await ask.count()) {
    await ask.click();
    await page.getByRole('status').waitFor();
    seen.asked = await page.getByRole('status').textContent();
    for (let tries = 0; tries < 1000 && !(await page.locator('.card').count()); tries += 1) {
      await page.waitForTimeout(200);
      await page.goto(`${url}/passport`);
    }
    seen.badge = await page.locator('.card h3').first().textContent();
    seen.picture = await page.locator('.card img').first().evaluate((one) => one.complete && one.naturalWidth > 0);
  }
  seen.headings = await page.locator('h1, h2, h3').evaluateAll((all) => all.map((one) => Number(one.tagName[1])));
  seen.unnamed = await page.locator('button, a, input:not([type=hidden]), meter').evaluateAll((all) =>
    all.filter((one) => !(one.getAttribute('aria-label') || one.textContent.trim() || one.labels?.length)).length);
  seen.lang = await page.locator('html').getAttribute('lang');
  for (const scheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: scheme });
    seen[scheme] = await page.evaluate(() => {
      const brightness = (text) => { const [r, g, b] = text.match(/[\d.]+/g).map((one) => {
        const part = Number(one) / 255; return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4; });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
      const style = getComputedStyle(document.body);
      const soft = getComputedStyle(document.querySelector('.soft')).color;
      const button = getComputedStyle(document.querySelector('button:not(.plain)') ?? document.querySelector('button'));
      const ratio = (one, other) => { const [high, low] = [brightness(one), brightness(other)].sort((a, b) => b - a);
        return (high + 0.05) / (low + 0.05); };
      return [ratio(style.color, style.backgroundColor), ratio(soft, style.backgroundColor),
        ratio(button.color, button.backgroundColor)];
    });
    if (shots) await page.screenshot({ path: `${shots}/passport-${scheme}.png`, fullPage: true });
  }
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  seen.out = true;
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
