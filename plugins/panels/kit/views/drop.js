const zone = element.querySelector('.drop');
const status = element.querySelector('.drop-status');
const video = element.querySelector('video');
const inputs = Object.fromEntries([...element.querySelectorAll('input')].map(input => [input.dataset.kind, input]));
const UPLOADS_AT_ONCE = 6;
const LIVE_WIDTH = 448, BETWEEN_FRAMES = 300, LONGEST_FRAME = 10000; // pixels, and milliseconds
let last = Promise.resolve(); // of the uploads, which follow one another

const say = sentence => { status.textContent = sentence; };

const send = files => last = last.then(() => sendThese(files));

async function sendThese(files) {
  if (!files.length) return say('It contains no files.');
  zone.classList.add('busy');
  const done = new Array(files.length);
  let next = 0, count = 0;
  const worker = async () => {
    while (next < files.length) {
      const at = next++;
      const {path} = await upload(files[at].file);
      done[at] = {path, rel: files[at].rel};
      count += 1;
      say(`Uploading ${count.toLocaleString('en')} of ${files.length.toLocaleString('en')}`);
    }
  };
  try {
    say(files.length > 1 ? `Uploading ${files.length.toLocaleString('en')} files` : `Uploading ${files[0].file.name}`);
    await Promise.all(Array.from({length: Math.min(UPLOADS_AT_ONCE, files.length)}, worker));
    say('');
    trigger('upload', {files: done, how: document.querySelector('[name=how]:checked')?.value ?? ''});
  } catch (error) {
    say(`The upload failed (${String(error.message || error).slice(0, 120)}); try again.`);
  } finally {
    zone.classList.remove('busy');
  }
}

async function walk(entry, found) {
  if (entry.isFile) {
    const file = await new Promise((good, bad) => entry.file(good, bad));
    if (!file.name.startsWith('.')) found.push({file, rel: entry.fullPath.replace(/^\//, '')});
  } else if (entry.isDirectory) {
    const reader = entry.createReader();
    for (;;) { // a reader returns at most a hundred entries at a time
      const part = await new Promise((good, bad) => reader.readEntries(good, bad));
      if (!part.length) break;
      for (const child of part) await walk(child, found);
    }
  }
}

const plain = list => [...list].map(file => ({file, rel: file.webkitRelativePath || file.name}));

for (const name of ['dragenter', 'dragover']) zone.addEventListener(name, event => {
  event.preventDefault();
  zone.classList.add('over');
});
for (const name of ['dragleave', 'drop']) zone.addEventListener(name, () => zone.classList.remove('over'));
zone.addEventListener('drop', async event => {
  event.preventDefault();
  const entries = [...event.dataTransfer.items].map(item => item.webkitGetAsEntry && item.webkitGetAsEntry()).filter(Boolean);
  const files = plain(event.dataTransfer.files);
  if (!entries.some(entry => entry.isDirectory)) return send(files);
  const found = [];
  try {
    say('Reading the folder');
    for (const entry of entries) await walk(entry, found);
  } catch (error) {
    return say(`The folder could not be read (${String(error.message || error).slice(0, 120)}); try another.`);
  }
  send(found);
});
element.closest('.gradio-container').ownerDocument.addEventListener('paste', event => {
  if (!zone.offsetParent || !event.clipboardData.files.length) return; // this page is not the one shown
  send(plain(event.clipboardData.files));
});

for (const input of Object.values(inputs)) input.addEventListener('change', () => {
  send(plain(input.files).filter(({file}) => !file.name.startsWith('.')));
  input.value = '';
});
zone.addEventListener('click', event => {
  const pick = event.target.closest('[data-pick]')?.dataset.pick;
  if (pick === 'camera') camera();
  else if (pick === 'live') live();
  else if (pick) inputs[pick].click();
  else if (!event.target.closest('input, video, button')) inputs.files.click();
});
zone.addEventListener('keydown', event => {
  if (event.target === zone && (event.key === 'Enter' || event.key === ' ')) { event.preventDefault(); inputs.files.click(); }
});

async function camera() {
  if (!video.hidden) { // the second press takes the photo
    const photo = await picture(video.videoWidth, 0.95);
    dark();
    return send([{file: new File([photo], 'camera.jpg', {type: 'image/jpeg'}), rel: 'camera.jpg'}]);
  }
  if (await open()) element.querySelector('[data-pick=camera]').textContent = 'Take the photo';
}

async function open() {
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({video: {facingMode: 'environment'}});
    video.hidden = false;
    await video.play();
    return true;
  } catch {
    say('This page has no access to a camera; choose or paste a photo.');
    return false;
  }
}

function picture(width, quality) {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [width, Math.round(video.videoHeight * width / video.videoWidth)];
  canvas.getContext('2d').drawImage(video, 0, 0, canvas.width, canvas.height);
  return new Promise(good => canvas.toBlob(good, 'image/jpeg', quality));
}

// One frame after another, each sent when the one before has been answered, or after a while without an answer.
async function live() {
  if (!video.hidden) return dark();
  if (!await open()) return;
  element.querySelector('[data-pick=live]').textContent = 'Stop';
  while (!video.hidden && zone.offsetParent) {
    if (!document.hidden) try {
      const frame = await picture(Math.min(LIVE_WIDTH, video.videoWidth), 0.85);
      const {path} = await upload(new File([frame], 'live.jpg', {type: 'image/jpeg'}));
      const answered = new Promise(good => {
        document.addEventListener('presize-answered', good, {once: true});
        setTimeout(good, LONGEST_FRAME);
      });
      trigger('live', {files: [{path, rel: 'live.jpg'}]});
      await answered;
    } catch (error) {
      dark();
      return say(`The camera's picture could not be sent (${String(error.message || error).slice(0, 120)}); try again.`);
    }
    await new Promise(good => setTimeout(good, BETWEEN_FRAMES));
  }
  dark();
}

function dark() {
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
  video.hidden = true;
  for (const [name, label] of [['camera', 'Camera'], ['live', 'Live']]) {
    const button = element.querySelector(`[data-pick=${name}]`);
    if (button) button.textContent = label;
  }
}
