// From a photo to the model's input, as core/data/photo.py does it, rounding included.
import {STRIP, open} from './open.js';

const BITS = 22; // of a weight, as in Pillow

/** The model's input, float32 [3 * height * width], of a file's blob or an image that is open already, and a caution. */
export async function prepare(photo, {views, mean, std}) {
  const {data, size: [height, width], caution} = await fit(photo, views);
  const input = new Float32Array(3 * height * width), round = Math.fround;
  for (let c = 0; c < 3; c++) {
    const [m, s] = [round(mean[c]), round(std[c])];
    for (let i = 0, at = c * height * width; i < height * width; i++) {
      input[at + i] = round(round(round(data[3 * i + c] / 255) - m) / s);
    }
  }
  return {input, caution};
}

/** The photo after all views, composed into one interpolation: uint8 [height * width * 3] in sRGB. */
export async function fit(photo, views) {
  const image = await open(photo);
  let frame = [image.height, image.width], box = [0, 0, image.width, image.height], padMode = 'zeros';
  for (const view of views) {
    const inner = shownBox(view, frame), sx = (box[2] - box[0]) / frame[1], sy = (box[3] - box[1]) / frame[0];
    box = [box[0] + inner[0] * sx, box[1] + inner[1] * sy, box[0] + inner[2] * sx, box[1] + inner[3] * sy];
    frame = view.size;
    if (view.method === 'pad') padMode = view.pad_mode;
  }
  const data = showBox(image, box, frame, padMode);
  image.close();
  return {data, size: frame, caution: image.caution};
}

function shownBox({size, method, crop_pct}, [h, w]) {
  if (method === 'squish') return [0, 0, w, h];
  const crop = method === 'crop', scale = Math[crop ? 'min' : 'max'](h / size[0], w / size[1]) * (crop ? crop_pct : 1);
  const halfH = scale * size[0] / 2, halfW = scale * size[1] / 2;
  return [w / 2 - halfW, h / 2 - halfH, w / 2 + halfW, h / 2 + halfH];
}

function showBox(image, box, size, padMode) {
  const inside = [Math.max(0, box[0]), Math.max(0, box[1]), Math.min(image.width, box[2]), Math.min(image.height, box[3])];
  const sx = size[1] / (box[2] - box[0]), sy = size[0] / (box[3] - box[1]);
  const left = halfEven((inside[0] - box[0]) * sx), top = halfEven((inside[1] - box[1]) * sy);
  const right = halfEven((box[2] - inside[2]) * sx), bottom = halfEven((box[3] - inside[3]) * sy);
  const width = Math.max(1, size[1] - left - right), height = Math.max(1, size[0] - top - bottom);
  const small = resize(image, width, height, inside);
  if (image.toSrgb) image.toSrgb(small);
  return padded(small, [width, height], [left, top], size, padMode);
}

function padded(small, [width, height], [left, top], size, mode) {
  if (width === size[1] && height === size[0]) return small;
  const out = new Uint8ClampedArray(size[0] * size[1] * 3);
  for (let y = 0; y < size[0]; y++) for (let x = 0; x < size[1]; x++) {
    const from = [within(y - top, height, mode), within(x - left, width, mode)];
    if (from.includes(-1)) continue;
    for (let c = 0; c < 3; c++) out[(y * size[1] + x) * 3 + c] = small[(from[0] * width + from[1]) * 3 + c];
  }
  return out;
}

function within(at, length, mode) {
  if (at >= 0 && at < length) return at;
  if (mode === 'zeros') return -1;
  if (mode === 'border') return at < 0 ? 0 : length - 1;
  const turned = ((at % (2 * length)) + 2 * length) % (2 * length); // reflection repeats the edge
  return turned < length ? turned : 2 * length - 1 - turned;
}

function halfEven(x) {
  const down = Math.floor(x);
  return x - down !== 0.5 ? Math.round(x) : down + Math.abs(down % 2);
}

/** Pillow's bilinear `Image.resize` of a box: columns first, 8 bits between the passes. */
function resize(image, width, height, box) {
  const across = weights(image.width, box[0], box[2], width), down = weights(image.height, box[1], box[3], height);
  const first = down.from[0], last = down.from[height - 1] + down.count[height - 1];
  const middle = new Uint8ClampedArray((last - first) * width * 3), out = new Uint8ClampedArray(height * width * 3);
  const half = 1 << BITS - 1, rows = Math.max(1, Math.floor(STRIP / image.width));
  for (let start = first; start < last; start += rows) {
    const count = Math.min(rows, last - start), pixels = image.rows(start, count);
    for (let y = 0, to = (start - first) * width * 3; y < count; y++) for (let x = 0; x < width; x++, to += 3) {
      let r = half, g = half, b = half, at = (y * image.width + across.from[x]) * 4;
      for (let i = x * across.most, end = i + across.count[x]; i < end; i++, at += 4) {
        const weight = across.values[i];
        r += pixels[at] * weight; g += pixels[at + 1] * weight; b += pixels[at + 2] * weight;
      }
      middle[to] = r >> BITS; middle[to + 1] = g >> BITS; middle[to + 2] = b >> BITS;
    }
  }
  for (let y = 0, to = 0; y < height; y++) for (let x = 0; x < 3 * width; x++, to++) {
    let sum = half, at = (down.from[y] - first) * width * 3 + x;
    for (let i = y * down.most, end = i + down.count[y]; i < end; i++, at += 3 * width) sum += middle[at] * down.values[i];
    out[to] = sum >> BITS;
  }
  return out;
}

function weights(before, start, end, after) {
  start = Math.fround(start);
  const scale = Math.fround(Math.fround(end) - start) / after, support = Math.max(scale, 1), most = Math.ceil(support) * 2 + 1;
  const [from, count, values] = [new Int32Array(after), new Int32Array(after), new Int32Array(after * most)];
  for (let x = 0; x < after; x++) {
    const centre = start + (x + 0.5) * scale;
    const low = Math.max(0, Math.trunc(centre - support + 0.5)), high = Math.min(before, Math.trunc(centre + support + 0.5));
    const shares = Array.from({length: high - low}, (_, i) => Math.max(0, 1 - Math.abs((i + low - centre + 0.5) * (1 / support))));
    const total = shares.reduce((a, b) => a + b, 0);
    [from[x], count[x]] = [low, high - low];
    shares.forEach((share, i) => { values[x * most + i] = Math.trunc(0.5 + share / total * (1 << BITS)); });
  }
  return {from, count, values, most};
}
