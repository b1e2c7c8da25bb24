{ // let the clock show a value, which calls those that watch it just as gradio does
  const calls = [], watches = watch;
  watch = (name, call) => { calls.push(call); watches(name, call); };
  presize.views[NUMBER] = value => {
    props.value = value;
    queueMicrotask(() => calls.forEach(call => call())); // once it is drawn
  };
}
