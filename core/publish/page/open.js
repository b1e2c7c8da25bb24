// Opens a photo's file: its pixels upright and on white, as core/data/upright.py has them.
import {conversion} from './colours.js';
import {read} from './metadata.js';
import loadPng, {decode, decode_rgba16 as decodeDeep} from './runtime/png.js';

const MAX_PIXELS = 64_000_000;
export const STRIP = 2 ** 20; // pixels read from the canvas at a time, which phones limit
const NOISE = 16; // of 255; more than this, and nothing of the photo is left
const TURNS = [ // by EXIF orientation - 1: the canvas's transform of a photo of w x h pixels
  () => [1, 0, 0, 1, 0, 0], (w) => [-1, 0, 0, 1, w, 0], (w, h) => [-1, 0, 0, -1, w, h], (w, h) => [1, 0, 0, -1, 0, h],
  () => [0, 1, 1, 0, 0, 0], (w, h) => [0, 1, -1, 0, h, 0], (w, h) => [0, -1, -1, 0, h, w], (w) => [0, -1, 1, 0, 0, w],
];

/**
 * An open photo, a file's blob or an ImageBitmap: its size, and rows of its pixels; `toSrgb` is done after resizing,
 * and `caution` is a sentence if the engine may read other pixels.
 */
export async function open(photo) {
  if (!(photo instanceof Blob)) return opened(photo, 1, null);
  const file = await read(photo), {kind, orientation, profile, space} = file;
  const colours = profile && conversion(profile, space);
  const own = colours !== 'browser'; // a profile of tables is left in the file, for the browser to apply
  checkSize(file.size ?? [0, 0]);
  const bitmap = kind === 'PNG' && own ? await fromPng(file) : await fromBrowser(file, own);
  checkSize([bitmap.width, bitmap.height]);
  const turn = own && !(file.inPixels && await followsTurns()) ? orientation : 1;
  const odd = own ? file.odd : 'profiles of printing presses';
  const caution = odd && `Browsers read ${odd} in different ways, so this may not be the model's own answer; save it as JPEG or PNG to be sure.`;
  return {...opened(bitmap, turn, own && colours, space), caution: caution || canvasCaution()};
}

/** By how much of 255 this browser changes pixels against tracking; some do it to each page that reads them. */
export function noise() {
  const canvas = new OffscreenCanvas(64, 64), context = canvas.getContext('2d', {willReadFrequently: true});
  const drawn = new ImageData(64, 64);
  for (let i = 0; i < drawn.data.length; i++) drawn.data[i] = i % 4 === 3 ? 255 : (i * 2654435761 >>> 16) % 256;
  context.putImageData(drawn, 0, 0);
  const {data} = context.getImageData(0, 0, 64, 64);
  return data.reduce((most, value, i) => Math.max(most, Math.abs(value - drawn.data[i])), 0);
}

let follows, noticed;

/** Whether this browser turns an AVIF file as the file says; it is asked with one of 2 x 1 pixels and a quarter turn. */
function followsTurns() {
  follows ??= fetch(new URL('./turned.avif', import.meta.url)).then((file) => file.blob()).then(createImageBitmap)
    .then((bitmap) => bitmap.height > bitmap.width);
  return follows;
}

function canvasCaution() {
  noticed ??= noise();
  if (noticed > NOISE) {
    throw new Error('This browser does not let pages read photos, against tracking; allow it for this page, or use another browser.');
  }
  return noticed ? 'This browser changes pixels a little, against tracking, so this may not be the model\'s own answer.' : '';
}

function checkSize([width, height]) {
  if (width * height <= MAX_PIXELS) return;
  throw new Error(`${width} x ${height} pixels are more than ${MAX_PIXELS.toLocaleString('en')}.`);
}

async function fromBrowser({kind, plain, bytes}, own) {
  const options = {imageOrientation: 'from-image', premultiplyAlpha: 'none', colorSpaceConversion: own ? 'none' : 'default'};
  try {
    return await createImageBitmap(new Blob([own ? plain : bytes]), options);
  } catch {
    throw new Error(kind ? `This browser cannot show this ${kind} file; save it as JPEG or PNG.` : 'This is not a photo.');
  }
}

/** A PNG file on white; browsers differ in transparency, in 16 bits and in damaged palettes. */
async function fromPng({plain, deepGrey}) {
  await loadPng(new URL('./runtime/png.wasm', import.meta.url));
  let image;
  try {
    image = deepGrey ? shallow(decodeDeep(plain)) : decode(plain);
  } catch {
    throw new Error('This PNG file is damaged; save it anew.');
  }
  const {data} = image;
  for (let at = 0; at < data.length; at += 4) {
    const alpha = data[at + 3];
    if (alpha === 255) continue;
    for (let i = at; i < at + 3; i++) {
      const sum = 128 * (data[i] * alpha + 255 * (255 - alpha)) + 2 ** 14; // rounded as in Pillow's alpha_composite
      data[i] = (sum >> 8) + sum >> 15;
    }
    data[at + 3] = 255;
  }
  return createImageBitmap(image);
}

function shallow(deep) {
  const image = new ImageData(Uint8ClampedArray.from(deep.data, (value) => Math.round(value / 257)), deep.width, deep.height);
  deep.free();
  return image;
}

function opened(bitmap, orientation, colours, space) {
  const [w, h] = [bitmap.width, bitmap.height], [width, height] = orientation > 4 ? [h, w] : [w, h];
  const canvas = new OffscreenCanvas(width, Math.min(height, Math.max(1, Math.floor(STRIP / width))));
  const context = canvas.getContext('2d', {willReadFrequently: true});
  context.imageSmoothingEnabled = false;
  const rows = (start, count) => {
    context.resetTransform();
    context.fillStyle = '#fff';
    context.fillRect(0, 0, canvas.width, canvas.height);
    const [a, b, c, d, e, f] = TURNS[orientation - 1](w, h);
    context.setTransform(a, b, c, d, e, f - start);
    context.drawImage(bitmap, 0, 0);
    const {data} = context.getImageData(0, 0, width, count);
    if (colours && space === 'GRAY') for (let i = 0; i < data.length; i++) if (i % 4 < 3) data[i] = colours[data[i]];
    return data;
  };
  const toSrgb = colours && space === 'RGB ' ? colours : null;
  return {width, height, rows, toSrgb, close: () => bitmap.close?.()};
}
