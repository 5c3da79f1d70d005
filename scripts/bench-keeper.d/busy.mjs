// One process that wants a whole core.
process.on('disconnect', () => process.exit(0));
setInterval(() => {
  const end = performance.now() + 200;
  while (performance.now() < end);
}, 0);
