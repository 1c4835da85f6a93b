// A member of a project at the hub, in Chromium: asks by keyboard, looks at charts, switches a consent.
// Input: {hub, cookie, executable, shots}. Prints what was seen as JSON.
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

const { hub, cookie, executable, shots } = JSON.parse(readFileSync(0, 'utf8'));
const browser = await chromium.launch({ executablePath: executable, args: ['--no-sandbox', '--disable-gpu'],
  timeout: 300_000 });
const seen = { console: [], charts: {}, unnamed: 0, headings: [], contrast: 21 };
try {
  const context = await browser.newContext({ viewport: { width: 1000, height: 1200 } });
  context.setDefaultTimeout(300_000);
  await context.addCookies([{ name: 'trex', value: cookie, url: hub }]);
  const page = await context.newPage();
  page.on('console', (said) => { if (said.type() === 'error') seen.console.push(said.text()); });
  page.on('pageerror', (error) => seen.console.push(String(error)));

  const look = async (name) => {
    seen.charts[name] = await page.locator('[data-drawn] canvas').count();
    seen.unnamed += await page.locator('button, a, input:not([type=hidden]), select, textarea, meter').evaluateAll((all) =>
      all.filter((one) => !(one.getAttribute('aria-label') || one.textContent.trim() && one.tagName !== 'SELECT' || one.labels?.length)).length);
    const levels = await page.locator('h1, h2, h3').evaluateAll((all) => all.map((one) => Number(one.tagName[1])));
    levels.forEach((level, at) => { if (at && level > levels[at - 1] + 1) seen.headings.push(`${name}: ${levels}`); });
    for (const scheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme: scheme });
      const ratio = await page.evaluate(() => {
        const brightness = (text) => { const [r, g, b] = text.match(/[\d.]+/g).map((one) => {
          const part = Number(one) / 255; return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4; });
          return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        const paper = getComputedStyle(document.body).backgroundColor;
        const texts = ['body', '.soft', 'a', 'code'].map((one) => document.querySelector(one)).filter(Boolean);
        return Math.min(...texts.map((one) => { const [high, low] = [brightness(getComputedStyle(one).color), brightness(paper)].sort((a, b) => b - a);
          return (high + 0.05) / (low + 0.05); }));
      });
      seen.contrast = Math.min(seen.contrast, ratio);
      if (shots) await page.screenshot({ path: `${shots}/hub-${name}-${scheme}.png`, fullPage: scheme === 'light' });
    }
    await page.emulateMedia({ colorScheme: 'light' });
  };

  await page.goto(`${hub}/hub/p/shop`);
  const box = page.getByRole('combobox', { name: 'Whom do you mean?' });
  await box.focus();
  await page.keyboard.type('DeFi act');
  await page.getByRole('option').first().waitFor();
  await page.keyboard.press('ArrowDown');
  seen.offered = await page.locator('[role=option][aria-selected=true]').evaluate((one) => one.firstChild.textContent);
  await page.keyboard.press('Enter');
  seen.typed = await box.inputValue();
  // At once, and ten people or more from what may be counted on the way: no pause of a busy machine asks more.
  await page.keyboard.insertText('> 15 PREFER DeFi activity');
  await page.getByRole('status').filter({ hasText: 'people or more' }).waitFor();
  seen.live = await page.getByRole('status').textContent();
  await page.keyboard.press('Escape');
  await page.getByLabel('Show how this is spread').selectOption('defi_activity');
  await page.getByRole('button', { name: 'Find' }).press('Enter');
  await page.getByRole('heading', { level: 2, name: 'people' }).waitFor();
  await page.locator('[data-drawn] canvas').first().waitFor();
  await look('audience');

  await page.goto(`${hub}/hub/me`);
  await page.locator('[data-drawn] canvas').nth(1).waitFor();
  await look('me');
  await page.getByRole('switch', { name: 'Be named in files and roots that leave the engine, every project' }).press('Enter');
  const on = page.locator('[role=switch][aria-checked=true]').first();
  await on.waitFor();
  seen.switched = await on.getAttribute('aria-checked');
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
