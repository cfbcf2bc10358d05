import { runCommand } from './commands/cli.ts';

// Who reads us may stop at any line.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

await runCommand(process.argv);
