// Draws every state of the dashboard in both themes and three widths, and fails on
// a finding of axe-core's, a line in the console, a request, or a page that is wider
// than its window. The pictures are for people to look at: bin/screenshots.
import fs from 'node:fs';
import puppeteer from 'puppeteer-core';

const pages = 'tfpipeline/internal/view/testdata/dashboard/';
const out = 'bin/screenshots/';
const axe = fs.readFileSync(new URL(import.meta.resolve('axe-core')), 'utf8');
fs.mkdirSync(out, { recursive: true });
const browser = await puppeteer.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
let findings = 0;
const find = (...what) => { findings++; console.log(...what); };
for (const file of fs.readdirSync(pages)) {
  for (const scheme of ['light', 'dark']) {
    for (const [name, width, height] of [['phone', 390, 844], ['laptop', 1280, 900], ['wall', 2560, 1440]]) {
      const where = `${file} ${scheme} ${name}`;
      const page = await browser.newPage();
      await page.setBypassCSP(true); // for axe; the policy itself has a test
      page.on('console', (m) => find(where, m.text()));
      page.on('pageerror', (e) => find(where, e));
      page.on('request', (r) => /^(file|data):/.test(r.url()) || find(where, 'asks for', r.url()));
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
      await page.setViewport({ width, height });
      await page.goto(new URL(pages + file, `file://${process.cwd()}/`).href);
      await page.evaluate(() => document.querySelectorAll('details').forEach((d) => { d.open = true; }));
      await page.screenshot({ path: `${out}${file.replace('.html', '')}-${scheme}-${name}.png`, fullPage: true });
      if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)) find(where, 'is wider than its window');
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => globalThis.axe.run());
      for (const v of violations) find(where, v.id, v.help, v.nodes.slice(0, 2).map((n) => n.html));
      await page.close();
    }
  }
}
await browser.close();
console.log(`${findings} findings; the pictures are in ${out}`);
process.exit(findings ? 1 : 0);
