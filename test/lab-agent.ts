// Stands in for holdfastd where a test is of the lab and not of the agent.
console.log(
  JSON.stringify({ pid: process.pid, greeting: process.env.GREETING ?? null, arguments: process.argv.slice(2) }),
);
process.on('SIGTERM', () => process.exit(0));
setInterval(() => undefined, 60_000);
