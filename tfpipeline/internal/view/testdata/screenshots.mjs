// Draws every state of the dashboard in both themes and three widths, and fails on
// a finding of axe-core's, a line in the console, a request, a page that is wider
// than its window, or a picture that differs from its golden: of the usual state, at
// half the size or less, in more than one pixel of fifty (fonts differ between machines).
// UPDATE=1 rewrites the goldens. The pictures are for people to look at:
// bin/screenshots.
import fs from 'node:fs';
import pixelmatch from 'pixelmatch';
import { PNG } from 'pngjs';
import puppeteer from 'puppeteer-core';

const pages = 'tfpipeline/internal/view/testdata/dashboard/';
const goldens = 'tfpipeline/internal/view/testdata/screenshots/';
const tolerance = 1 / 50;
const out = 'bin/screenshots/';
const axe = fs.readFileSync(new URL(import.meta.resolve('axe-core')), 'utf8');
fs.mkdirSync(out, { recursive: true });
const browser = await puppeteer.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
let findings = 0;
const find = (...what) => { findings++; console.log(...what); };
const compare = (name, where, got) => {
  // 16 levels of each colour: enough to see, and a quarter of the size.
  got.data.forEach((v, i) => { got.data[i] = i % 4 === 3 ? 255 : Math.round(v / 17) * 17; });
  if (process.env.UPDATE) fs.writeFileSync(goldens + name, PNG.sync.write(got, { colorType: 2, deflateLevel: 9 }));
  const want = PNG.sync.read(fs.readFileSync(goldens + name));
  if (want.width !== got.width || want.height !== got.height) return find(where, `is ${got.width}x${got.height}, and the golden ${want.width}x${want.height}`);
  const differing = pixelmatch(want.data, got.data, undefined, got.width, got.height, { threshold: 0.1 });
  if (differing > tolerance * got.width * got.height) find(where, `differs from ${goldens}${name} in ${differing} pixels; UPDATE=1 make screenshots rewrites it`);
};
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
      if (file === 'usual.html') {
        await page.setViewport({ width, height, deviceScaleFactor: name === 'wall' ? 0.35 : 0.5 });
        compare(`usual-${scheme}-${name}.png`, where, PNG.sync.read(Buffer.from(await page.screenshot())));
      }
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
