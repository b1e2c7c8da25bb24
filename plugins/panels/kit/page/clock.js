// Ask for news, and show them; an event of gradio follows where they are more than HTML. Nothing while it is hidden.
let known = '', waiting = setTimeout(ask, 2000); // the page is drawn as it loads
function shown(news) {
  if (!Object.keys(news).every(number => number in presize.views)) return false;
  for (const [number, value] of Object.entries(news)) presize.views[number](value);
  return true;
}
async function ask() {
  clearTimeout(waiting);
  let seconds = 5;
  if (!document.hidden) {
    try {
      const answer = await server.ask({known}), {token, news} = answer;
      const whole = token === known || (news && shown(news));
      if (!whole) trigger('tick', {});
      known = whole || !news ? token : null;
      ({seconds} = answer);
    } catch { /* the app is restarting */ }
  }
  clearTimeout(waiting);
  waiting = setTimeout(ask, 1000 * (seconds || 5));
}
document.addEventListener('visibilitychange', () => document.hidden || ask());
