// What a photo's file says of itself, as core/data/upright.py reads it, and the file without that.
/** A file without its metadata, which browsers follow differently, and what the metadata says. */
export async function read(photo) {
  const bytes = new Uint8Array(await photo.arrayBuffer()), text = (at, n) => String.fromCharCode(...bytes.subarray(at, at + n));
  const found = {kind: kindOf(text(0, 12)), bytes, parts: [bytes], profile: null, space: 'RGB '};
  const readers = {JPEG: readJpeg, PNG: readPng, WebP: readWebp, AVIF: readAvif};
  try {
    await readers[found.kind]?.(bytes, found, text);
  } catch { // damaged metadata does not make the pixels unreadable
    found.parts = [bytes];
  }
  return {...found, orientation: found.exif ?? found.xmp ?? 1};
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
  if (profile.length) found.profile = await joined(profile.filter(Boolean));
}

async function readPng(bytes, found, text) {
  const view = new DataView(bytes.buffer), parts = [bytes.subarray(0, 8)];
  for (let at = 8; at + 12 <= bytes.length;) {
    const end = at + 12 + view.getUint32(at), name = text(at + 4, 4), data = bytes.subarray(at + 8, end - 4);
    if (['IHDR', 'PLTE', 'tRNS', 'IDAT', 'IEND'].includes(name)) parts.push(bytes.subarray(at, end));
    if (name === 'IHDR' && [0, 4].includes(data[9])) found.space = 'GRAY';
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

function readAvif(bytes, found, text) { // its orientation is part of the picture, and the browser follows it
  const at = text(0, 4096).search(/colr(prof|rICC)/);
  if (at > 0) found.profile = bytes.subarray(at + 8, at - 4 + new DataView(bytes.buffer).getUint32(at - 4));
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
