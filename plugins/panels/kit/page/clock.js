// Ask for the token, which is small, and let the page be redrawn only when it has changed; nothing while it is hidden.
let known, waiting;
async function ask() {
  clearTimeout(waiting);
  let seconds = 5;
  if (!document.hidden) {
    try {
      const answer = await server.ask({});
      if (answer.token !== known) trigger('tick', {});
      ({token: known, seconds} = answer);
    } catch { /* the app is restarting */ }
  }
  clearTimeout(waiting);
  waiting = setTimeout(ask, 1000 * (seconds || 5));
}
document.addEventListener('visibilitychange', () => document.hidden || ask());
ask();
