// Keeps the page's files on the visitor's device, so that it works without a network; before this are put VERSION and
// FILES, with the digest of each.
const NAME = `${self.registration.scope} ${VERSION}`; // other pages may have the same origin

self.addEventListener('install', (event) => event.waitUntil(keep()));
self.addEventListener('activate', (event) => event.waitUntil(forget()));
self.addEventListener('fetch', (event) => {
  if (event.request.method === 'GET') event.respondWith(answer(event.request));
});

async function keep() {
  const cache = await caches.open(NAME);
  try {
    await cache.addAll(Object.entries(FILES).map(([name, integrity]) => new Request(name, {cache: 'no-cache', integrity})));
  } catch (error) { // the next visit tries again
    await caches.delete(NAME);
    throw error;
  }
  await self.skipWaiting();
}

async function forget() {
  const old = (await caches.keys()).filter((name) => name.startsWith(`${self.registration.scope} `) && name !== NAME);
  await Promise.all(old.map((name) => caches.delete(name)));
  await self.clients.claim();
}

async function answer(request) {
  const cache = await caches.open(NAME);
  return (await cache.match(request, {ignoreSearch: true})) ?? fetch(request);
}
