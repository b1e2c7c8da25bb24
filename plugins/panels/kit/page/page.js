// One page per step: the body names the current one, and style.css shows it.
window.presize = {
  views: {}, // by the number of a component: shows a value in it
  draw(place, html) { // replace what differs; what does not keeps its focus, its scroll position and what is typed
    const fresh = document.createElement('template');
    fresh.innerHTML = html;
    presize.match(place, fresh.content);
  },
  match(old, fresh) {
    const nodes = [...old.childNodes], wanted = [...fresh.childNodes];
    nodes.slice(wanted.length).forEach(node => node.remove());
    old.append(...wanted.slice(nodes.length));
    for (const [i, node] of nodes.slice(0, wanted.length).entries()) {
      const want = wanted[i];
      if (node.isEqualNode(want)) continue;
      if (node.nodeName !== want.nodeName) node.replaceWith(want);
      else if (want instanceof Element) presize.become(node, want);
      else node.data = want.data;
    }
  },
  become(element, wanted) {
    for (const name of element.getAttributeNames()) wanted.hasAttribute(name) || element.removeAttribute(name);
    for (const {name, value} of wanted.attributes) {
      if (element.getAttribute(name) === value) continue;
      element.setAttribute(name, value);
      if (name === 'value' && element.matches('input, textarea, select')) element.value = value;
    }
    presize.match(element, wanted);
  },
  show(name) {
    if (!document.getElementById(`page-${name}`)) return false;
    document.body.dataset.page = name;
    presize.mark();
    window.scrollTo({top: 0});
    return true;
  },
  go(name) {
    if (presize.show(name)) presize.record(true);
  },
  mark() {
    for (const step of document.querySelectorAll('#rail .step')) {
      const current = step.dataset.go === document.body.dataset.page ? 'step' : 'false';
      if (step.getAttribute('aria-current') !== current) step.setAttribute('aria-current', current);
    }
  },
  leaving: 0, // the timer after which a message goes
  said(box) {
    clearTimeout(presize.leaving);
    if (box.querySelector('.said')) presize.record(false); // the address may have asked for what was refused
    presize.leaving = setTimeout(() => box.querySelector('.said')?.remove(), 10_000);
  },
  made(button, file) { // the file that a button has made is downloaded, and the button can be pressed again
    document.getElementById(button).disabled = false;
    setTimeout(() => document.getElementById(file).click(), 200);
  },
  dark(on) {
    document.body.classList.toggle('dark', on);
    localStorage.setItem('presize-dark', on ? '1' : '0');
  },
};

document.addEventListener('click', event => {
  const go = event.target.closest('[data-go]');
  if (go && !go.disabled) presize.go(go.dataset.go);
  const show = event.target.closest('[data-show]');
  if (show) document.getElementById(show.dataset.show).scrollIntoView({block: 'start'});
  const makes = event.target.closest('.makes'); // a file, which takes a while
  if (makes) requestAnimationFrame(() => { makes.disabled = true; });
  if (event.target.closest('[data-dark]')) presize.dark(!document.body.classList.contains('dark'));
  // a message goes with the next action
  if (event.target.closest('button') && !event.target.closest('.said :not([data-close])')) {
    document.querySelector('#message .said')?.remove();
  }
});

// In a list of tabs, the arrow keys open the one beside.
const STEPS = {ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity};
document.addEventListener('keydown', event => {
  const tab = event.target.closest('[role=tab]');
  if (!tab || !(event.key in STEPS)) return;
  const tabs = [...tab.closest('[role=tablist]').querySelectorAll('[role=tab]:not(:disabled)')];
  const next = tabs[Math.min(tabs.length - 1, Math.max(0, tabs.indexOf(tab) + STEPS[event.key]))];
  event.preventDefault();
  next.click();
  next.focus();
});

new MutationObserver((_, observer) => {
  const first = document.querySelector('[id^="page-"]'), rail = document.getElementById('rail');
  if (!first) return;
  observer.disconnect();
  presize.show(presize.wished().page) || presize.show(first.id.slice('page-'.length));
  const stored = localStorage.getItem('presize-dark');
  if (stored) presize.dark(stored === '1');
  if (rail) new MutationObserver(presize.mark).observe(rail, {childList: true, subtree: true});
}).observe(document.documentElement, {childList: true, subtree: true});
