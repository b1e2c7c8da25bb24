// The other view of the same photos: a map on which alike ones lie together, coloured by label; a lasso selects.
const canvas = part('map'), ink = canvas.getContext('2d');
const SMALLEST = 3, LARGEST = 104, PICTURE = 26, HOVERED = 120; // pixels
const images = new Map(); // of thumbnails
let mapped = false, wanted = false, lasso = null, hovered = -1, due = 0;

const isDoubted = photo => list.doubt?.[photo] > 0;
const colour = label => label < 0 ? '#9a9cab' : `hsl(${label * 137.5 % 360} 62% 52%)`;
const onMap = () => order.filter(photo => list.map[2 * photo] >= 0);
const spread = () => Math.sqrt(canvas.clientWidth * canvas.clientHeight / Math.max(1, list.names.length));
const dot = () => Math.max(SMALLEST, Math.min(LARGEST, 0.8 * spread()));
const center = photo => [list.map[2 * photo] / 1e4 * canvas.clientWidth, list.map[2 * photo + 1] / 1e4 * canvas.clientHeight];

function toMap(on) {
  mapped = on && Boolean(list.map);
  canvas.hidden = !mapped;
  box.hidden = mapped;
  part('view').setAttribute('aria-pressed', mapped);
  controls();
  arrange();
}
part('view').addEventListener('click', async () => {
  if (list.map) return toMap(!mapped);
  wanted = true;
  say('Comparing the photos, to lay them out.');
  take(await server.photos({key: list.key, token: list.token, look: true}).catch(() => ({error: 'The app does not answer; try again.'})));
  if (wanted && !list.looking) say('The photos cannot be compared now; try again when no run is under way.');
});
function whenCompared() {
  if (!wanted || !list.map) return;
  wanted = false;
  say('');
  toMap(true);
}

function drawMap() {
  if (mapped) due ||= requestAnimationFrame(() => { due = 0; paintMap(); });
}

function paintMap() {
  const {clientWidth: width, clientHeight: height} = canvas, ratio = window.devicePixelRatio || 1;
  if (!width || !list.map) return;
  [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  ink.scale(ratio, ratio);
  const look = getComputedStyle(canvas), size = dot(), edge = size >= PICTURE ? 3 : 1.5;
  for (const photo of onMap()) {
    const [x, y] = center(photo).map(value => value - size / 2);
    const image = size >= PICTURE ? pictureOf(photo) : null;
    ink.fillStyle = ink.strokeStyle = colour(list.labels[photo]);
    if (image) square(image, x, y, size); else ink.fillRect(x, y, size, size);
    ink.lineWidth = edge;
    if (image) ink.strokeRect(x + edge / 2, y + edge / 2, size - edge, size - edge);
    if (chosen.has(photo)) {
      ink.fillStyle = 'rgb(79 91 213 / .4)';
      ink.fillRect(x, y, size, size);
      ink.strokeStyle = look.getPropertyValue('--ink');
      ink.strokeRect(x, y, size, size);
    }
    if (isDoubted(photo)) mark(x + size, y, image ? 9 : 4);
  }
  if (lasso) outline(look.getPropertyValue('--accent'));
  else if (hovered >= 0) hover(look, width, height);
}

function mark(x, y, radius) { // a label that may be wrong
  ink.beginPath();
  ink.arc(x - radius, y + radius, radius, 0, 7);
  ink.fillStyle = '#d92d20';
  ink.fill();
  ink.fillStyle = '#fff';
  ink.font = `bold ${1.5 * radius}px sans-serif`;
  ink.fillText('!', x - 1.25 * radius, y + 1.55 * radius);
}

function square(image, x, y, size) {
  const short = Math.min(image.naturalWidth, image.naturalHeight);
  ink.drawImage(image, (image.naturalWidth - short) / 2, (image.naturalHeight - short) / 2, short, short, x, y, size, size);
}

function pictureOf(photo) {
  const found = images.get(photo);
  if (found) return found.complete && found.naturalWidth ? found : null;
  if (images.size >= KEPT) images.clear();
  const image = new Image();
  images.set(photo, image);
  image.onload = drawMap;
  presize.thumb(photo).then(src => { if (src) image.src = src; });
  return null;
}

function outline(style) {
  ink.beginPath();
  for (const point of lasso) ink.lineTo(...point);
  ink.closePath();
  ink.strokeStyle = style;
  ink.lineWidth = 2;
  ink.stroke();
  ink.fillStyle = 'rgb(79 91 213 / .14)';
  ink.fill();
}

function hover(look, width, height) {
  const said = `${list.names[hovered].split('/').pop().slice(-28)} · ${labelOf(hovered) || 'no label'}`, image = pictureOf(hovered);
  ink.font = `12px ${look.fontFamily}`;
  const wide = Math.max(HOVERED, ink.measureText(said).width) + 16, tall = (image ? HOVERED : 0) + 28;
  const [x, y] = center(hovered);
  const left = Math.max(0, Math.min(x + 12, width - wide)), top = y + 12 + tall < height ? y + 12 : Math.max(0, y - 12 - tall);
  ink.fillStyle = look.getPropertyValue('--card');
  ink.fillRect(left, top, wide, tall);
  ink.strokeStyle = look.getPropertyValue('--line');
  ink.strokeRect(left, top, wide, tall);
  if (image) square(image, left + 8, top + 8, HOVERED);
  ink.fillStyle = look.getPropertyValue('--ink');
  ink.fillText(said, left + 8, top + tall - 9);
}

const where = event => [event.offsetX, event.offsetY];
function nearest([x, y]) {
  let best = -1, least = Math.max(8, spread()) ** 2;
  for (const photo of onMap()) {
    const [a, b] = center(photo), far = (a - x) ** 2 + (b - y) ** 2;
    if (far < least) [best, least] = [photo, far];
  }
  return best;
}
function inside([x, y]) { // by the crossings of a ray (Shimrat 1962)
  let odd = false;
  lasso.forEach(([x0, y0], i) => {
    const [x1, y1] = lasso.at(i - 1);
    if (y0 > y !== y1 > y && x < (x1 - x0) * (y - y0) / (y1 - y0) + x0) odd = !odd;
  });
  return odd;
}
canvas.addEventListener('pointerdown', event => {
  if (event.button) return;
  canvas.setPointerCapture(event.pointerId);
  lasso = [where(event)];
});
canvas.addEventListener('pointermove', event => {
  if (lasso) lasso.push(where(event)); else hovered = nearest(where(event));
  drawMap();
});
canvas.addEventListener('pointerleave', () => { hovered = -1; drawMap(); });
canvas.addEventListener('pointercancel', () => { lasso = null; drawMap(); });
canvas.addEventListener('pointerup', event => {
  if (!lasso) return;
  const drawn = lasso.some(([x, y]) => Math.hypot(x - lasso[0][0], y - lasso[0][1]) > 6);
  if (drawn) for (const photo of onMap()) { if (inside(center(photo))) chosen.add(photo); }
  const photo = drawn ? -1 : nearest(where(event));
  if (photo >= 0 && !chosen.delete(photo)) chosen.add(photo);
  lasso = null;
  canvas.focus({preventScroll: true});
  drawMap();
  bar();
});
canvas.addEventListener('keydown', event => {
  if (event.key === 'Escape') clear();
  else if (chosen.size && (event.key === 'Enter' || (event.key.length === 1 && !event.ctrlKey && !event.metaKey))) typed.focus();
});
new ResizeObserver(drawMap).observe(canvas);
