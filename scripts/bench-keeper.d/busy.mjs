// One process that wants a whole core.
setInterval(() => {
  const end = performance.now() + 200;
  while (performance.now() < end);
}, 0);
