// npm run exhaustive: needs `npm run build` first.
import { main } from '../dist/src/sim/exhaustive.js';

process.exitCode = await main(process.argv.slice(2));
