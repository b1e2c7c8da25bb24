// A worker that predicts photos: prepared pixels, the network, and what its answer is worth, as core/model/answer.py says it.
import * as ort from './runtime/ort.js';
import {prepare} from './prepare.js';

const NEARLY = 0.75; // of the most probable label's probability
ort.env.wasm.numThreads = 1; // more need headers that a plain web server does not send
ort.env.wasm.wasmPaths = {wasm: new URL('./runtime/ort.wasm', import.meta.url).href};

const opened = open();
let last = Promise.resolve(); // one photo at a time

self.onmessage = ({data: {id, photo}}) => {
  last = last.then(async () => {
    try {
      self.postMessage({id, answer: await predict(photo)});
    } catch (error) {
      self.postMessage({id, error: error.message});
    }
  });
};
opened.then(() => self.postMessage({ready: true}), (error) => self.postMessage({ready: false, error: error.message}));

async function open() {
  const about = await (await fetch('page.json')).json();
  const known = about.strangers && new Float32Array(await (await fetch('strangers.bin')).arrayBuffer());
  return {about, known, session: await ort.InferenceSession.create('model.onnx')};
}

async function predict(photo) {
  const {about, known, session} = await opened, began = performance.now();
  const [height, width] = about.views.at(-1).size;
  const {input, caution} = await prepare(photo, about);
  const images = new ort.Tensor('float32', input, [1, 3, height, width]);
  const {logits, features} = await session.run({images});
  const milliseconds = performance.now() - began, shares = softmax(logits.data);
  const order = [...shares.keys()].sort((a, b) => shares[b] - shares[a]);
  const labels = order.map((i) => about.labels[i]), probabilities = order.map((i) => shares[i]);
  const stranger = known ? distance(known, features.data, about.strangers) > 1 : null, sure = shares[order[0]] >= about.not_sure_below;
  return {labels, probabilities, sure, stranger, note: note(about, shares, sure, stranger), caution: caution ?? '', milliseconds};
}

function softmax(logits) {
  const high = Math.max(...logits), powers = Array.from(logits, (x) => Math.exp(x - high)), sum = powers.reduce((a, b) => a + b);
  return powers.map((x) => x / sum);
}

/** The cosine distance to the nearest known photos but some, relative to that of a stranger. */
function distance(known, features, {neighbours, threshold}) {
  const length = Math.max(Math.hypot(...features), 1e-12), cosines = new Float32Array(known.length / features.length);
  for (let i = 0, at = 0; i < cosines.length; i++) {
    let sum = 0;
    for (let j = 0; j < features.length; j++, at++) sum += known[at] * features[j];
    cosines[i] = sum / length;
  }
  return (1 - cosines.sort().at(-neighbours)) / threshold;
}

function note({labels, not_sure_below}, shares, sure, stranger) {
  if (stranger) return 'This looks like nothing it was trained on.';
  if (!sure) return `Not sure: its confidence is below ${Math.round(100 * not_sure_below)}%.`;
  const high = Math.max(...shares), near = labels.filter((_, i) => shares[i] >= NEARLY * high);
  if (near.length < 2) return high >= 0.5 ? '' : 'Unsure: the other labels together are more likely.';
  const listed = near.length > 3 ? [near[0], `${near[1]} and ${near.length - 2} others`] : [near.slice(0, -1).join(', '), near.at(-1)];
  return `Unsure: ${listed.join(near.length > 3 ? ', ' : ' and ')} are about as likely.`;
}
