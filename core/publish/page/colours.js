// From a photo's colour profile to sRGB, as core/data/colours.py has it done by Little CMS.
const TOLERANCE = 2; // of 255; sRGB profiles differ from each other by up to this
const MAX_PROFILE = 2_000_000; // bytes, for profiles of printing presses; cameras write a few thousand at most
const ONE = 2 ** 14;
const TO_LINEAR_SRGB = [ // from XYZ of D50, by IEC 61966-2-1 and Bradford
  [3.1341864, -1.617209, -0.4906941], [-0.9787485, 1.9161301, 0.0334334], [0.0719639, -0.2289939, 1.4057537],
];

/**
 * How a profile is applied: null if the colours are sRGB or the profile is unusable, 'browser' if it has tables, for
 * 'GRAY' a table of 256 values, for 'RGB ' a function that changes pixels [N * 3] in place.
 */
export function conversion(profile, space) {
  if (profile.length > MAX_PROFILE) return null;
  try {
    const tags = tagsOf(profile);
    if (tags.space !== space || tags.programs) return null;
    if (space === 'CMYK' || tags.A2B0) return 'browser';
    return space === 'GRAY' ? ofGrey(tags) : ofColour(tags);
  } catch { // it is damaged
    return null;
  }
}

function tagsOf(profile) {
  const view = new DataView(profile.buffer, profile.byteOffset, profile.length);
  const text = (at) => String.fromCharCode(...profile.subarray(at, at + 4));
  const tags = {space: text(16), programs: decoded(profile).includes('mpet')};
  for (let i = 0, at = 132; i < view.getUint32(128); i++, at += 12) {
    const start = view.getUint32(at + 4);
    tags[text(at)] = new DataView(profile.buffer, profile.byteOffset + start, view.getUint32(at + 8));
  }
  return tags;
}

const decoded = (bytes) => new TextDecoder('latin1').decode(bytes);
const fixed = (view, at) => view.getInt32(at) / 65536;

function ofGrey(tags) {
  const levels = linear(tags.kTRC), table = levels.map((light) => encoded(light));
  return table.some((value, i) => i % 17 === 0 && Math.abs(value - i) > TOLERANCE) ? table : null;
}

/** By whole numbers of 1 / ONE, as Little CMS converts 8 bits by curves and a matrix. */
function ofColour(tags) {
  const curves = ['rTRC', 'gTRC', 'bTRC'].map((name) => linear(tags[name]).map(whole));
  const columns = ['rXYZ', 'gXYZ', 'bXYZ'].map((name) => [8, 12, 16].map((at) => fixed(tags[name], at)));
  const matrix = TO_LINEAR_SRGB.map((row) => columns.map((column) => whole(row.reduce((sum, x, i) => sum + x * column[i], 0))));
  const table = Uint8Array.from({length: ONE + 1}, (_, i) => encoded(i / ONE));
  const apply = (pixels) => {
    for (let at = 0; at < pixels.length; at += 3) {
      const [r, g, b] = [curves[0][pixels[at]], curves[1][pixels[at + 1]], curves[2][pixels[at + 2]]];
      for (let c = 0; c < 3; c++) {
        const light = (matrix[c][0] * r + matrix[c][1] * g + matrix[c][2] * b + ONE / 2) >> 14;
        pixels[at + c] = table[Math.min(ONE, Math.max(0, light))];
      }
    }
  };
  return changes(apply) ? apply : null;
}

const whole = (x) => Math.floor(x * ONE + 0.5);

function changes(apply) {
  const every = new Uint8ClampedArray(3 * 16 ** 3);
  for (let i = 0; i < 16 ** 3; i++) every.set([17 * (i >> 8), 17 * (i >> 4 & 15), 17 * (i & 15)], 3 * i);
  const after = every.slice();
  apply(after);
  return after.some((value, i) => Math.abs(value - every[i]) > TOLERANCE);
}

/** 0 to 255 of linear light, in sRGB. */
function encoded(light) {
  const x = Math.min(1, Math.max(0, light));
  return Math.round(255 * (x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055));
}

/** The linear light of each of 256 values by a curve, as ICC.1:2022, 10.6 and 10.18 describe curves. */
function linear(view) {
  const at = Array.from({length: 256}, (_, i) => i / 255);
  if (String.fromCharCode(view.getUint8(0)) === 'p') return at.map(parametric(view));
  const count = view.getUint32(8);
  if (count === 0) return at;
  if (count === 1) return at.map((x) => x ** (view.getUint16(12) / 256));
  return at.map((x) => {
    const place = x * (count - 1), low = Math.min(Math.floor(place), count - 2), share = place - low;
    return ((1 - share) * view.getUint16(12 + 2 * low) + share * view.getUint16(14 + 2 * low)) / 65535;
  });
}

function parametric(view) {
  const kind = view.getUint16(8), [g, a, b, c, d, e, f] = Array.from({length: [1, 3, 4, 5, 7][kind]}, (_, i) => fixed(view, 12 + 4 * i));
  return [
    (x) => x ** g,
    (x) => (x >= -b / a ? (a * x + b) ** g : 0),
    (x) => (x >= -b / a ? (a * x + b) ** g + c : c),
    (x) => (x >= d ? (a * x + b) ** g : c * x),
    (x) => (x >= d ? (a * x + b) ** g + e : c * x + f),
  ][kind];
}
