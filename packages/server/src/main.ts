import { runCommand } from './commands/cli.ts';

await runCommand(process.argv);
