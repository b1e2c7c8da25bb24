// The list of photos, which of them are shown in which order, and the tiles of the rows in view.
const part = name => element.querySelector(`[data-part=${name}]`);
const box = part('box'), space = part('space'), typed = part('label');
const [CHANGED, LEFT_OUT, RIGHT, UNREADABLE] = [1, 2, 4, 8];
const GAP = 8, ROWS_AROUND = 2, AT_ONCE = 24, FLYING = 2, KEPT = 4000, MOST_CHIPS = 12, WAIT = 3000;
const many = n => n === 1 ? '1 photo' : `${n.toLocaleString('en')} photos`;

let list = {key: '', names: [], labels: [], sets: [], flags: [], vocab: []};
let order = []; // the photos shown, by number
let filter = 'all';
let columns = 1, side = 100;
const thumbs = new Map(); // by photo; the oldest are dropped
const asked = new Set();
const tiles = new Map(); // by place in `order`
const chosen = new Set();
let cursor = 0, anchor = 0; // places

const isOut = photo => (list.flags[photo] & LEFT_OUT) !== 0;
const labelOf = photo => list.vocab[list.labels[photo]] ?? '';
const hintOf = photo => list.hints?.[photo] >= 0 ? list.hintNames[list.hints[photo]] : '';

const hinted = photo => list.labels[photo] < 0 && !isOut(photo) ? hintOf(photo) : '';

let group = new Set(), likely = ''; // photos that look alike, and a label for them

const FILTERS = {
  all: photo => !isOut(photo),
  none: photo => list.labels[photo] < 0 && !isOut(photo),
  out: isOut,
  '~': photo => group.has(photo),
  changed: photo => (list.flags[photo] & CHANGED) !== 0,
  bad: photo => (list.flags[photo] & UNREADABLE) !== 0,
};
const fits = photo => {
  const set = Number(part('set').value || 0);
  const name = filter.slice(1);
  const shown = filter.startsWith('=') ? labelOf(photo) === name && !isOut(photo)
    : filter.startsWith('?') ? hinted(photo) === name : FILTERS[filter](photo);
  return shown && (!set || list.sets[photo] === set);
};

function take(news) {
  if (news.error) return say(news.error);
  const same = news.key === list.key;
  if (!same) { thumbs.clear(); chosen.clear(); cursor = anchor = 0; filter = 'all'; }
  const whole = news.since === undefined ? {...(same ? {names: list.names} : {}), ...news} : changed(news);
  if (!whole) return news.token === list.token ? undefined : refresh('');
  list = whole;
  element.querySelector('.labels').hidden = !list.names.length;
  if (filter.startsWith('=') && !list.vocab.includes(filter.slice(1))) filter = 'all';
  if (filter !== 'all' && !list.names.some((_, photo) => fits(photo))) filter = 'all';
  controls();
  arrange();
  whenCompared();
  if (list.looking) polling ||= setTimeout(wait, WAIT);
}

function changed({changed: columns, ...news}) { // the list with what is new, if that follows from it
  if (news.since !== list.token) return null;
  const whole = {...list, ...news};
  if (news.vocab && !news.labels) {
    const table = list.vocab.map(label => news.vocab.indexOf(label));
    whole.labels = list.labels.map(label => label < 0 ? -1 : table[label]);
  }
  for (const [name, [at, values]] of Object.entries(columns)) {
    whole[name] = [...whole[name]];
    at.forEach((photo, i) => { whole[name][photo] = values[i]; });
  }
  return whole;
}

let polling = 0; // for suggestions
async function wait() {
  const news = await server.photos({key: list.key, token: list.token}).catch(() => ({looking: true}));
  polling = 0;
  if (news.looking) polling = setTimeout(wait, WAIT);
  else take(news);
}

async function refresh(token = list.token) {
  try { take(await server.photos({key: list.key, token})); } catch { say('The photos could not be listed; reload the page.'); }
}

function arrange() { // after a change of photos, filter or order
  const at = order[cursor];
  order = list.names.map((_, photo) => photo).filter(fits);
  const by = part('sort').value;
  if (by === 'likeness' && list.likeness) order.sort((a, b) => list.likeness[a] - list.likeness[b]);
  else if (by === 'doubt' && list.doubt) order.sort((a, b) => list.doubt[b] - list.doubt[a]);
  else if (by === 'label') order.sort((a, b) => list.labels[a] - list.labels[b] || a - b);
  const found = order.indexOf(at);
  cursor = found >= 0 ? found : Math.max(0, Math.min(cursor, order.length - 1));
  for (const photo of [...chosen]) if (!fits(photo)) chosen.delete(photo);
  for (const tile of tiles.values()) tile.remove();
  tiles.clear();
  box.classList.toggle('empty', !order.length);
  measure();
  drawMap();
  bar();
}

function measure() {
  const width = box.clientWidth - 2;
  if (width < 50) return; // on a page that is not shown
  columns = Math.max(2, Math.floor((width + GAP) / ((width < 500 ? 92 : 112) + GAP)));
  side = Math.floor((width - GAP * (columns - 1)) / columns);
  space.style.height = `${Math.max(0, Math.ceil(order.length / columns) * (side + GAP) - GAP)}px`;
  for (const [place, tile] of tiles) put(tile, place);
  draw();
}

function put(tile, place) {
  tile.style.cssText = `left:${(place % columns) * (side + GAP)}px;top:${Math.floor(place / columns) * (side + GAP)}px;width:${side}px;height:${side}px`;
}

function inView() {
  const row = side + GAP;
  const first = Math.max(0, Math.floor(box.scrollTop / row) - ROWS_AROUND) * columns;
  const last = Math.min(order.length, (Math.ceil((box.scrollTop + box.clientHeight) / row) + ROWS_AROUND) * columns);
  return [first, last];
}

function draw() {
  const [first, last] = inView();
  for (const [place, tile] of tiles) if (place < first || place >= last) { tile.remove(); tiles.delete(place); }
  for (let place = first; place < last; place += 1) {
    if (!tiles.has(place)) {
      const tile = document.createElement('div');
      tile.className = 'shot';
      tile.setAttribute('role', 'option');
      tile.append(document.createElement('img'), document.createElement('span'));
      tile.dataset.place = place;
      tile.id = `photo-${order[place]}`;
      put(tile, place);
      tiles.set(place, tile);
      box.append(tile);
    }
    paint(place);
  }
  fetchThumbs();
}

function paint(place) {
  const tile = tiles.get(place), photo = order[place];
  if (!tile) return;
  const [image, tag] = tile.children;
  const src = thumbs.get(photo);
  if (src && image.src !== src) image.src = src;
  image.hidden = !src;
  image.alt = '';
  const label = labelOf(photo), hint = label ? '' : hintOf(photo);
  tag.textContent = isOut(photo) ? 'left out' : label || (hint ? `${hint}?` : '');
  tag.className = isOut(photo) ? 'out' : hint ? 'maybe' : (list.flags[photo] & CHANGED) ? 'by-hand' : '';
  tag.hidden = !tag.textContent;
  tile.classList.toggle('at', place === cursor);
  tile.classList.toggle('broken', src === '');
  tile.setAttribute('aria-selected', chosen.has(photo));
  tile.setAttribute('aria-setsize', order.length);
  tile.setAttribute('aria-posinset', place + 1);
  const said = isOut(photo) ? 'left out' : label ? `label ${label}` : hint ? `no label, perhaps ${hint}` : 'no label';
  tile.setAttribute('aria-label', `${list.names[photo]}, ${said}`);
  tile.title = list.names[photo];
}

const paintAll = () => { for (const place of tiles.keys()) paint(place); drawMap(); };

async function fetchThumbs() {
  if (asked.size >= FLYING * AT_ONCE || !box.offsetParent) return;
  const [first, last] = inView();
  const wanted = order.slice(first, last).filter(photo => !thumbs.has(photo) && !asked.has(photo)).slice(0, AT_ONCE);
  if (!wanted.length) return;
  const {key} = list;
  for (const photo of wanted) asked.add(photo);
  fetchThumbs();
  let jpegs = [];
  try { ({jpegs = []} = await server.thumbs({key, photos: wanted})); } catch { /* drawn as broken */ }
  wanted.forEach((photo, i) => {
    asked.delete(photo);
    if (key === list.key) thumbs.set(photo, jpegs[i] ? `data:image/jpeg;base64,${jpegs[i]}` : '');
  });
  for (const photo of thumbs.keys()) { if (thumbs.size <= KEPT) break; thumbs.delete(photo); }
  paintAll();
  fetchThumbs();
}

let frame = 0;
box.addEventListener('scroll', () => { frame ||= requestAnimationFrame(() => { frame = 0; draw(); }); });
new ResizeObserver(measure).observe(box);
const say = sentence => { part('said').textContent = sentence; };
