// Takes a photo every quarter of a second while its button, or Space on it, is held; uploads them when it is let go.
const piece = name => element.querySelector(`[data-camera=${name}]`);
const video = element.querySelector('video'), take = piece('take'), label = piece('label');
const EVERY = 250, MOST = 200, QUALITY = 0.92;
const tell = sentence => { piece('said').textContent = sentence; };
let clock = 0, taken = [], sending = false;

async function open() {
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({video: {facingMode: 'environment'}});
    await video.play();
    piece('opened').hidden = false;
    piece('open').hidden = true;
    tell('Type a label, then hold the button and move around.');
    label.focus();
  } catch {
    tell('This page has no access to a camera; allow it in the browser, or drop photos.');
  }
}

function close() {
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
  piece('opened').hidden = true;
  piece('open').hidden = false;
  tell('');
}

function shoot() {
  if (taken.length >= MOST) return release();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext('2d').drawImage(video, 0, 0);
  taken.push(new Promise(good => canvas.toBlob(good, 'image/jpeg', QUALITY)));
  tell(`${taken.length} taken for ${label.value.trim()}`);
}

function hold() {
  if (clock || sending) return;
  if (!label.value.trim()) { label.focus(); return tell('Type a label first.'); }
  shoot();
  clock = setInterval(shoot, EVERY);
}

async function release() {
  if (!clock) return;
  clearInterval(clock);
  clock = 0;
  sending = true;
  const photos = await Promise.all(taken), stamp = Date.now();
  taken = [];
  try {
    tell(`Saving ${photos.length} photo${photos.length === 1 ? '' : 's'}`);
    const files = [];
    for (const [i, photo] of photos.entries()) {
      const name = `camera-${stamp}-${i + 1}.jpg`;
      const {path} = await upload(new File([photo], name, {type: 'image/jpeg'}));
      files.push({path, rel: name});
    }
    trigger('taken', {files, label: label.value.trim()});
    tell(`${files.length} photo${files.length === 1 ? '' : 's'} labelled ${label.value.trim()}. Hold again for more, or type another label.`);
  } catch (error) {
    tell(`They could not be saved (${String(error.message || error).slice(0, 120)}); try again.`);
  } finally {
    sending = false;
  }
}

piece('open').addEventListener('click', open);
piece('close').addEventListener('click', close);
take.addEventListener('pointerdown', event => { if (!event.button) { take.setPointerCapture(event.pointerId); hold(); } });
for (const name of ['pointerup', 'pointercancel', 'blur']) take.addEventListener(name, release);
take.addEventListener('contextmenu', event => event.preventDefault()); // a long press on a phone
take.addEventListener('keydown', event => { if ([' ', 'Enter'].includes(event.key) && !event.repeat) { event.preventDefault(); hold(); } });
take.addEventListener('keyup', event => { if ([' ', 'Enter'].includes(event.key)) { event.preventDefault(); release(); } });
label.addEventListener('keydown', event => { if (event.key === 'Enter') take.focus(); });
