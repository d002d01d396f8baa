// Another server on this machine, with a different origin: the program that users come from and return to, or a
// malicious site.

import { createServer } from 'node:http';

// elsewhere answers every request with the same page: Chromium also requests an icon.
export async function elsewhere(html) {
  const paths = [];
  const server = createServer((request, response) => {
    paths.push(request.url);
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    response.end(`<!doctype html><html lang="en"><title>Elsewhere</title><link rel="icon" href="data:,">${html}`);
  });
  await new Promise((ready) => { server.listen(0, '127.0.0.1', ready); });
  server.unref();
  return { origin: `http://127.0.0.1:${server.address().port}`, paths };
}
