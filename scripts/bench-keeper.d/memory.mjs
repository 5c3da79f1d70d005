// Memory pressure: allocates and touches MEGABYTES again and again, so that pages are always asked for and given back.
// memory.mjs MEGABYTES
const blockBytes = 16 * 1024 * 1024;
const blocks = Math.max(1, Math.floor((Number(process.argv[2]) * 1024 * 1024) / blockBytes));
const held = [];

setInterval(() => {
  held.push(Buffer.alloc(blockBytes, held.length % 255));
  if (held.length > blocks) held.splice(0, Math.ceil(blocks / 4));
}, 0);
