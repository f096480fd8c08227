// Looks at every page of the built site in a headless browser.
//
//   node check.mjs HTML-DIRECTORY BROWSER SCREENSHOT-DIRECTORY [PATTERN]      opens only pages whose path has PATTERN
//
// A page fails by a message or an error on its console, by a request that fails or leaves the site, by a link that leads
// nowhere, and by being wider than a phone. Search must find what people look for, from a server and from the disk.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const [root, executablePath, pictures, pattern = ''] = process.argv.slice(2);
const types = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript', '.json': 'application/json', '.svg': 'image/svg+xml', '.png': 'image/png' };
const desktop = { width: 1280, height: 900 };
const phone = { width: 360, height: 740 };
const problems = [];
const complain = (where, what) => {
  problems.push(`${where}: ${what}`);
};

const server = http.createServer((request, response) => {
  const name = path.join(root, decodeURIComponent(new URL(request.url, 'http://site').pathname));
  const file = fs.existsSync(name) && fs.statSync(name).isDirectory() ? path.join(name, 'index.html') : name;
  if (!file.startsWith(root) || !fs.existsSync(file)) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { 'content-type': types[path.extname(file)] ?? 'application/octet-stream' });
  fs.createReadStream(file).pipe(response);
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const origin = `http://127.0.0.1:${server.address().port}`;

const pages = fs.readdirSync(root, { recursive: true }).filter((name) => name.endsWith('.html') && name !== '404.html').sort();
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });

/** A tab that reports whatever goes wrong in it. */
async function tab(options, home) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const where = () => page.url().replace(home, '');
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complain(where(), `console: ${message.text()}`);
  });
  page.on('pageerror', (error) => complain(where(), `error: ${error.message}`));
  page.on('requestfailed', (request) => {
    if (request.failure()?.errorText !== 'net::ERR_ABORTED') complain(where(), `request failed: ${request.url()}`);
  });
  page.on('response', (response) => {
    if (response.status() >= 400) complain(where(), `${response.status()}: ${response.url()}`);
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(home) && !/^(data|blob):/.test(request.url())) complain(where(), `leaves the site: ${request.url()}`);
  });
  return page;
}

// --- every page: errors, links, width --------------------------------------------------------------------------------

const ids = new Map(); // page -> its anchors
const wanted = []; // [page, link's page, link's anchor]
const page = await tab({ viewport: phone }, origin);
// Pages of sources are many, long and alike: their anchors are read from the files, and one is looked at.
const is_source = (name) => name.startsWith('source/');
for (const name of pages.filter(is_source)) {
  ids.set(name, new Set([...fs.readFileSync(path.join(root, name), 'utf8').matchAll(/\b(?:id|name)="([^"]+)"/g)].map((match) => match[1])));
}
const opened = pages.filter((name) => new RegExp(pattern).test(name) && (!is_source(name) || name === pages.find(is_source)));
for (const name of opened) {
  await page.goto(`${origin}/${name}`, { waitUntil: 'load' });
  const seen = await page.evaluate(() => ({
    ids: [...document.querySelectorAll('[id], a[name]')].map((element) => element.id || element.name),
    links: [...document.querySelectorAll('a[href], img[src], link[href], script[src]')].map((element) => element.href || element.src),
    width: document.documentElement.scrollWidth,
    title: document.title,
    headings: document.querySelectorAll('article h1').length,
    // What the generator of pages did not understand is left as it was typed.
    raw: [...document.querySelectorAll('article p, article li, article td:not(.code)')].map((element) => element.innerText).filter((text) => /^\s*(\|.*\||[-*] \S|```|#{1,6} )/m.test(text)).slice(0, 3),
  }));
  ids.set(name, new Set(seen.ids));
  for (const link of seen.links) {
    if (!link || !link.startsWith(origin)) continue;
    const url = new URL(link);
    const target = decodeURIComponent(url.pathname).slice(1);
    wanted.push([name, target === '' || target.endsWith('/') ? `${target}index.html` : target, decodeURIComponent(url.hash.slice(1))]);
  }
  if (seen.width > phone.width) complain(name, `${seen.width} pixels wide on a phone of ${phone.width}`);
  if (seen.headings !== 1) complain(name, `${seen.headings} first-level headings`);
  if (!seen.title) complain(name, 'no title');
  for (const text of seen.raw) complain(name, `not rendered: ${text.slice(0, 80)}`);
}
for (const [name, target, anchor] of wanted) {
  if (!fs.existsSync(path.join(root, target))) complain(name, `broken link: ${target}`);
  else if (anchor && ids.has(target) && !ids.get(target).has(anchor)) complain(name, `no such anchor: ${target}#${anchor}`);
}

// --- search ----------------------------------------------------------------------------------------------------------

const questions = { ServeGuard: /ServeGuard/, FilesystemPolicy: /FilesystemPolicy/, 'stop sentinel': /sentinel/i, orphaned: /orphaned/i };
async function search(home, where) {
  const tabOfSearch = await tab({ viewport: desktop }, where);
  await tabOfSearch.goto(home, { waitUntil: 'load' });
  for (const [question, answer] of Object.entries(questions)) {
    const field = tabOfSearch.locator('[data-md-component=search-query]');
    await field.click();
    await field.pressSequentially(question);
    const result = tabOfSearch.locator('.md-search-result__link').first();
    try {
      await result.waitFor({ timeout: 20000 });
      const text = await tabOfSearch.locator('.md-search-result__item').first().innerText();
      if (!answer.test(text)) complain(where, `search for '${question}' finds first: ${text.slice(0, 80)}`);
      const target = await result.getAttribute('href');
      if (!target) complain(where, `search for '${question}': a result without a link`);
    } catch {
      complain(where, `search for '${question}' finds nothing`);
    }
    await tabOfSearch.reload({ waitUntil: 'load' }); // the next answer must not be the last one
  }
  await tabOfSearch.context().close();
}
await search(`${origin}/index.html`, origin);
await search(pathToFileURL(path.join(root, 'index.html')).href, pathToFileURL(root).href);

// --- pictures --------------------------------------------------------------------------------------------------------

fs.rmSync(pictures, { recursive: true, force: true });
fs.mkdirSync(pictures, { recursive: true });
const shown = ['index.html', 'docs/protocol.html', 'docs/architecture.html', 'reference/index.html', 'reference/ServeGuard.html', 'reference/FilesystemPolicy.html', 'reference/ClaimReport.html'];
shown.push(...pages.filter((name) => name.startsWith('docs/guide/')).slice(0, 2), ...pages.filter((name) => name.startsWith('docs/recipes/')).slice(0, 1));
for (const colorScheme of ['light', 'dark']) {
  for (const [size, viewport] of Object.entries({ desktop, phone })) {
    const camera = await tab({ viewport, colorScheme }, origin);
    for (const name of shown.filter((name) => pages.includes(name))) {
      await camera.goto(`${origin}/${name}`, { waitUntil: 'load' });
      await camera.screenshot({ path: path.join(pictures, `${name.replaceAll('/', '-').replace('.html', '')}-${size}-${colorScheme}.png`) });
    }
    await camera.context().close();
  }
}
const scheme = await tab({ viewport: desktop, colorScheme: 'light' }, origin);
await scheme.goto(`${origin}/index.html`, { waitUntil: 'load' });
const before = await scheme.evaluate(() => getComputedStyle(document.body).backgroundColor);
await scheme.locator('label[title=Dark]').click();
const after = await scheme.evaluate(() => getComputedStyle(document.body).backgroundColor);
if (before === after) complain('index.html', 'the switch between light and dark does nothing');

await browser.close();
server.close();
for (const problem of [...new Set(problems)].slice(0, 50)) console.error(problem);
console.log(`${opened.length} of ${pages.length} pages opened, ${wanted.length} links, ${Object.keys(questions).length} searches twice: ${problems.length} problems`);
process.exit(problems.length ? 1 : 0);
