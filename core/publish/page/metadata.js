// What a photo's file says of itself, as core/data/upright.py reads it, and the file without that.
const AVIF_TURNS = [[1, 4, 2], [8, 5, 7], [3, 2, 4], [6, 7, 5]]; // EXIF orientations by quarter turn and mirror

/**
 * A file without its metadata, which browsers follow differently, and what the metadata says; `odd` names its kind if
 * browsers read its pixels differently, and `inPixels` says that some browsers follow its orientation.
 */
export async function read(photo) {
  const bytes = new Uint8Array(await photo.arrayBuffer()), text = (at, n) => String.fromCharCode(...bytes.subarray(at, at + n));
  const found = {kind: kindOf(text(0, 12)), bytes, parts: [bytes], profile: null, space: 'RGB ', odd: ''};
  const readers = {JPEG: readJpeg, PNG: readPng, WebP: readWebp, AVIF: readAvif, GIF: readGif, BMP: readBmp, HEIC: readHeic};
  try {
    await readers[found.kind]?.(bytes, found, text);
  } catch { // damaged metadata does not make the pixels unreadable
    found.parts = [bytes];
  }
  return {...found, plain: await joined(found.parts), orientation: found.exif ?? found.xmp ?? 1};
}

function kindOf(head) {
  const known = {'\xff\xd8': 'JPEG', '\x89PNG': 'PNG', GIF8: 'GIF', BM: 'BMP', 'II*\0': 'TIFF', 'MM\0*': 'TIFF'};
  if (head.startsWith('RIFF') && head.endsWith('WEBP')) return 'WebP';
  if (head.slice(4, 8) === 'ftyp') return /avi[fs]/.test(head) ? 'AVIF' : 'HEIC';
  if (/^P[1-6]\s/.test(head)) return 'PPM';
  return known[Object.keys(known).find((start) => head.startsWith(start))] ?? '';
}

async function readJpeg(bytes, found, text) {
  const view = new DataView(bytes.buffer), parts = [], profile = [];
  let at = 2, kept = 0;
  while (bytes[at] === 0xff && bytes[at + 1] !== 0xda) {
    const kind = bytes[at + 1], end = at + 2 + view.getUint16(at + 2);
    if (kind >= 0xc0 && kind <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(kind)) {
      found.space = {1: 'GRAY', 4: 'CMYK'}[bytes[at + 9]] ?? 'RGB ';
    }
    if (kind === 0xe1 || kind === 0xe2) {
      parts.push(bytes.subarray(kept, at));
      kept = end;
      if (text(at + 4, 4) === 'Exif') found.exif ??= exifOrientation(bytes.subarray(at + 10, end));
      else if (kind === 0xe1) found.xmp ??= xmpOrientation(decoded(bytes.subarray(at + 4, end)));
      else if (text(at + 4, 11) === 'ICC_PROFILE') profile[bytes[at + 16]] = bytes.subarray(at + 18, end);
    }
    at = end;
  }
  found.parts = [...parts, bytes.subarray(kept)];
  if (found.space === 'CMYK') found.odd = 'JPEG files in CMYK';
  if (profile.length) found.profile = await joined(profile.filter(Boolean));
}

async function readPng(bytes, found, text) {
  const view = new DataView(bytes.buffer), parts = [bytes.subarray(0, 8)];
  for (let at = 8; at + 12 <= bytes.length;) {
    const end = at + 12 + view.getUint32(at), name = text(at + 4, 4), data = bytes.subarray(at + 8, end - 4);
    if (['IHDR', 'PLTE', 'tRNS', 'IDAT', 'IEND'].includes(name)) parts.push(bytes.subarray(at, end));
    if (name === 'IHDR') {
      found.size = [view.getUint32(at + 8), view.getUint32(at + 12)];
      if ([0, 4].includes(data[9])) found.space = 'GRAY';
      found.deepGrey = data[8] === 16 && data[9] === 0;
    }
    if (name === 'eXIf') found.exif ??= exifOrientation(data);
    if (name === 'iTXt') found.xmp ??= xmpOrientation(decoded(data));
    if (name === 'iCCP') found.profile = await inflated(data.subarray(data.indexOf(0) + 2));
    at = end;
  }
  found.parts = parts;
}

function readWebp(bytes, found, text) {
  const view = new DataView(bytes.buffer), parts = [];
  for (let at = 12; at + 8 <= bytes.length;) {
    const size = view.getUint32(at + 4, true), end = at + 8 + size + size % 2, data = bytes.subarray(at + 8, at + 8 + size);
    const name = text(at, 4), part = bytes.slice(at, end);
    if (name === 'VP8X') part[8] &= ~0x2c; // no profile, no EXIF, no XMP
    if ((name === 'VP8X' && data[0] & 0x10) || (name === 'VP8L' && data[4] & 0x10)) found.odd = 'transparent WebP files';
    if (name === 'ICCP') found.profile = data;
    else if (name === 'EXIF') found.exif ??= exifOrientation(text(at + 8, 4) === 'Exif' ? data.subarray(6) : data);
    else if (name === 'XMP ') found.xmp ??= xmpOrientation(decoded(data));
    else parts.push(part);
    at = end;
  }
  const head = bytes.slice(0, 12), length = parts.reduce((sum, part) => sum + part.length, 4);
  new DataView(head.buffer).setUint32(4, length, true);
  found.parts = [head, ...parts];
}

function readAvif(bytes, found, text) { // its turns are boxes of nine bytes
  const head = text(0, 4096), at = head.search(/colr(prof|rICC)/);
  const [turn, mirror] = ['irot', 'imir'].map((box) => head.indexOf(`\0\0\0\x09${box}`));
  if (at > 0) found.profile = bytes.subarray(at + 8, at - 4 + new DataView(bytes.buffer).getUint32(at - 4));
  if (turn > 0 || mirror > 0) {
    found.exif = AVIF_TURNS[turn > 0 ? bytes[turn + 8] & 3 : 0][mirror > 0 ? 1 + (bytes[mirror + 8] & 1) : 0];
    found.inPixels = true;
  }
  const xmp = /<x:xmpmeta[^]*?<\/x:xmpmeta>/.exec(decoded(bytes));
  found.xmp = xmp ? xmpOrientation(xmp[0]) : undefined;
  found.odd = 'AVIF files';
}

function readHeic(bytes, found) { // its turns are part of the picture, and Safari follows them
  found.odd = 'HEIC files';
}

function readGif(bytes, found) {
  const view = new DataView(bytes.buffer), whole = [0, 0, view.getUint16(6, true), view.getUint16(8, true)];
  let at = 13 + tableSize(bytes[10]);
  while (bytes[at] === 0x21) {
    for (at += 2; bytes[at]; at += bytes[at] + 1);
    at++;
  }
  const frame = [1, 3, 5, 7].map((place) => view.getUint16(at + place, true));
  if (frame.some((value, i) => value !== whole[i])) found.odd = 'GIF files whose first frame is smaller';
  if (!tableSize(bytes[10]) && !tableSize(bytes[at + 9])) found.odd = 'GIF files without a palette';
}

const tableSize = (flags) => (flags & 0x80 ? 3 << (flags & 7) + 1 : 0);

function readBmp(bytes, found) {
  const view = new DataView(bytes.buffer), bits = view.getUint16(28, true), used = view.getUint32(46, true);
  const plain = view.getUint32(30, true) === 0 && (bits === 24 || (bits <= 8 && (!used || used >= 1 << bits)));
  if (view.getUint32(14, true) >= 40 && !plain) found.odd = 'BMP files of this kind';
}

/** The orientation in the first directory of an EXIF block, if it says one. */
function exifOrientation(block) {
  const view = new DataView(block.buffer, block.byteOffset, block.length), little = block[0] === 0x49;
  const start = view.getUint32(4, little), count = view.getUint16(start, little);
  for (let at = start + 2; at < start + 2 + 12 * count; at += 12) {
    if (view.getUint16(at, little) !== 0x0112) continue;
    const long = view.getUint16(at + 2, little) === 4;
    const value = long ? view.getUint32(at + 8, little) : view.getUint16(at + 8, little);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return undefined;
}

function xmpOrientation(xmp) {
  const found = /tiff:Orientation(?:="|>)([1-8])/.exec(xmp);
  return found ? Number(found[1]) : undefined;
}

const decoded = (bytes) => new TextDecoder().decode(bytes);

const inflated = async (bytes) =>
  new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'))).arrayBuffer());

const joined = async (parts) => new Uint8Array(await new Blob(parts).arrayBuffer());
