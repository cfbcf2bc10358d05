import { laterMigrations, migrate, migrations } from '../repositories/migrations/run.ts';
import { withLocalDatabase } from './local-database.ts';

/** `rookery migrate`: does the missing steps and prints them. */
export function migrateDatabase(): Promise<void> {
	return withLocalDatabase(async ({ config, database }) => {
		let done = 0;
		const problems = await migrate(database.db, {
			instanceId: config.instanceId,
			steps: [...migrations, ...laterMigrations],
			onDone: ({ number, name }, _problems, durationMs) => {
				done += 1;
				process.stdout.write(`${number} ${name} (${Math.round(durationMs)} ms)\n`);
			},
		});
		for (const problem of problems) process.stdout.write(`warning: ${problem}\n`);
		process.stdout.write(done === 0 ? 'nothing to do: the database is up to date\n' : 'the database is up to date\n');
	});
}
