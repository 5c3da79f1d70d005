// Loaded into the lab's agents (AGENT_ENV, NODE_OPTIONS=--import=...): SIGUSR2 blocks their JavaScript thread for ever.
process.on('SIGUSR2', () => {
  for (;;);
});
