// The page: a photo that is dropped, pasted, chosen or taken, and what the model says of it.
const TOP = 10, NAMED = 12, LONG = 60; // labels with a bar, and in the sentence under the title; letters of one there
const part = (name) => document.getElementById(name);
const [zone, photo, video, status, answer, chosen] = ['zone', 'photo', 'video', 'status', 'answer', 'file'].map(part);
part('unopened').remove(); // scripts run here
const percent = (x) => `${(100 * x).toFixed(1)}%`;
const say = (sentence) => { status.textContent = sentence; };

const worker = new Worker('predict.js', {type: 'module'}), waiting = new Map();
let asked = 0;
const ready = new Promise((good, bad) => {
  worker.onmessage = ({data}) => {
    if ('ready' in data) return data.ready ? good() : bad(new Error(data.error));
    const {resolve, reject} = waiting.get(data.id);
    waiting.delete(data.id);
    data.error ? reject(new Error(data.error)) : resolve(data.answer);
  };
  worker.onerror = () => bad(new Error('This browser cannot run the model; use a newer one.'));
});

/** For programs: `{labels, probabilities, sure, stranger, note, caution}` of a Blob, an ImageBitmap or a URL, most probable first. */
async function predict(source) {
  await ready;
  const blob = source instanceof Blob || source instanceof ImageBitmap ? source : await (await fetch(source)).blob();
  return new Promise((resolve, reject) => {
    waiting.set(++asked, {resolve, reject});
    worker.postMessage({id: asked, photo: blob}, blob instanceof ImageBitmap ? [blob] : []);
  });
}
window.presize = {predict, ready};

/** A label within a sentence: not too long, and in its own direction of writing. */
function named(label) {
  const letters = [...label];
  return `\u2068${letters.length > LONG ? `${letters.slice(0, LONG).join('')}…` : label}\u2069`;
}

function element(tag, text, kind) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function show(found) {
  const doubtful = !found.sure || found.stranger, guess = element('p', found.labels[0], 'guess'), bars = element('ul', undefined, 'bars');
  guess.dir = 'auto';
  found.labels.slice(0, TOP).forEach((label, i) => {
    const row = element('li'), name = element('span', label), track = element('i'), bar = element('em');
    name.dir = 'auto';
    bar.style.width = `${100 * found.probabilities[i]}%`;
    track.append(bar);
    row.append(name, track, element('b', percent(found.probabilities[i])));
    bars.append(row);
  });
  const rest = found.labels.length - TOP, others = found.probabilities.slice(TOP).reduce((a, b) => a + b, 0);
  answer.replaceChildren(...[
    doubtful && element('p', 'Not sure, perhaps', 'note'),
    guess,
    found.note && element('p', found.note, 'warning'),
    found.caution && element('p', found.caution, 'note'),
    element('p', `${percent(found.probabilities[0])} confident · ${found.milliseconds.toFixed(0)} ms`, 'note'),
    bars,
    rest > 0 && element('p', `and ${rest} other labels with ${percent(others)} together`, 'note'),
  ].filter(Boolean));
}

async function look(files) {
  const blob = files[0];
  if (!blob) return;
  dark();
  URL.revokeObjectURL(photo.src);
  photo.src = URL.createObjectURL(blob);
  photo.alt = blob.name ?? 'Your photo';
  photo.hidden = false;
  say('Looking');
  try {
    show(await predict(blob));
    say(files.length > 1 ? `This is the first of ${files.length} photos.` : '');
  } catch (error) {
    photo.hidden = true;
    answer.replaceChildren(element('p', 'No answer', 'note'));
    say(error.message);
  }
}

async function camera() {
  if (video.srcObject) return take();
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({video: {facingMode: 'environment'}});
  } catch {
    return say('This page has no access to a camera; allow it in the browser, or choose a photo.');
  }
  await video.play();
  photo.hidden = true;
  video.hidden = part('close').hidden = false;
  part('camera').textContent = 'Take the photo';
  answer.ariaLive = 'off'; // or a screen reader would never stop
  say('Live: point it at something.');
  while (video.srcObject) {
    const found = await predict(await createImageBitmap(video)).catch(() => null);
    if (video.srcObject && found) show(found);
    await new Promise((next) => { setTimeout(next, 100); });
  }
}

async function take() {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext('2d').drawImage(video, 0, 0);
  look([await new Promise((good) => { canvas.toBlob(good, 'image/png'); })]);
}

function dark() {
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
  video.hidden = part('close').hidden = true;
  part('camera').textContent = 'Camera';
  answer.ariaLive = 'polite';
}

for (const name of ['dragenter', 'dragover']) zone.addEventListener(name, (event) => { event.preventDefault(); zone.classList.add('over'); });
for (const name of ['dragleave', 'drop']) zone.addEventListener(name, () => zone.classList.remove('over'));
zone.addEventListener('drop', (event) => { event.preventDefault(); look([...event.dataTransfer.files]); });
document.addEventListener('paste', (event) => look([...event.clipboardData.files]));
chosen.addEventListener('change', () => { look([...chosen.files]); chosen.value = ''; });
part('choose').addEventListener('click', () => chosen.click());
part('camera').addEventListener('click', camera);
part('close').addEventListener('click', () => { dark(); say(''); });

fetch('page.json').then((file) => file.json()).then(({name, labels, examples}) => {
  const more = labels.length > NAMED ? ` and ${labels.length - NAMED} others` : '';
  document.title = name;
  part('known').textContent = `This model recognises ${labels.slice(0, NAMED).map(named).join(', ')}${more}.`;
  part('examples').hidden = !examples.length;
  part('examples').append(...examples.map((url, i) => {
    const button = element('button'), image = element('img');
    [image.src, image.alt, button.type] = [url, `Example ${i + 1}`, 'button'];
    button.append(image);
    button.addEventListener('click', async () => look([await (await fetch(url)).blob()]));
    return button;
  }));
});
say('Loading the model');
ready.then(() => say(''), (error) => say(error.message));
if (navigator.serviceWorker?.controller?.scriptURL === new URL('sw.js', location.href).href) { // and not of a page above
  // a newer page was kept meanwhile, of which this one must not take half
  navigator.serviceWorker.addEventListener('controllerchange', () => location.reload());
}
navigator.serviceWorker?.register('sw.js').catch(() => {}); // some servers allow none; the page works without
navigator.serviceWorker?.ready.then(() => { part('offline').hidden = false; });
