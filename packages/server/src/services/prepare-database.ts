import { ClientError } from '@rookery/protocol/errors.ts';
import type { Clock } from '../platform/clock.ts';
import type { Config } from '../platform/config.ts';
import type { Log } from '../platform/log.ts';
import type { Database } from '../repositories/database.ts';
import { migrate } from '../repositories/migrations/run.ts';
import { repositoriesOf, type Repositories } from '../repositories/repositories.ts';
import { accountsService } from './accounts.ts';
import { storeInitialData } from './initial-data.ts';
import { readSettings } from './settings.ts';

type Deps = {
	database: Database;
	config: Config;
	rootUrl: string;
	clock: Clock;
	log: Log;
	passwordCost?: number;
};

export type Prepared = {
	/** The workspace's stored id (`uniqueID`). */
	workspaceId: string;
	/** The first administrator, when this start made it: it still has to join the default rooms. */
	newAdminId: string | null;
};

/**
 * Brings a database to what this version needs: indexes and change images by migrations, then the records a workspace
 * starts with. Every process calls it before anything else; several may do so at once. A filled database keeps its
 * values.
 *
 * @see data model, 13 to 15
 */
export async function prepareDatabase(deps: Deps): Promise<Prepared> {
	const { database, config, rootUrl, log } = deps;
	const problems = await migrate(database.db, {
		instanceId: config.instanceId,
		onDone: ({ name }, _problems, ms) =>
			log.info({ event: 'migration.done', migration: name, ms: Math.round(ms) }, `migrated: ${name}`),
	});
	const repositories = repositoriesOf(database.db);
	let newAdminId: string | null = null;
	const more = await storeInitialData({
		...repositories,
		environment: config.environment,
		rootUrl,
		initialUser: config.initialUser,
		createAdmin: async () => {
			newAdminId = await createAdmin(repositories, deps);
		},
	});
	for (const problem of [...problems, ...more]) log.warn({ event: 'database.problem' }, problem);
	const id = (await repositories.settings.findById('uniqueID'))?.value;
	if (typeof id !== 'string' || id === '') throw new Error('the database holds no usable setting uniqueID');
	return { workspaceId: id, newAdminId };
}

/**
 * Makes the administrator that the environment describes. A name or an address that nobody may have is said and left
 * out.
 */
async function createAdmin(
	repositories: Repositories,
	{ config, clock, log, passwordCost }: Deps,
): Promise<string | null> {
	const { firstAdmin } = config;
	if (firstAdmin === null) return null;
	const settings = await readSettings(repositories.settings);
	const cost = passwordCost === undefined ? {} : { passwordCost };
	const accounts = accountsService({ ...repositories, settings, core: null, clock, log, ...cost });
	const { password, name } = firstAdmin;
	const verified = config.environment['ADMIN_EMAIL_VERIFIED'] === 'true';
	const roles = ['admin'];
	let { username, email } = firstAdmin;
	for (;;) {
		const address = email === '' ? {} : { email, verified };
		try {
			const admin = { username, password, name, ...address, roles, joinDefaultChannels: false };
			const { _id } = await accounts.createUser(admin);
			log.info({ event: 'admin.created', uid: _id, username }, `the first administrator is ${username}`);
			return _id;
		} catch (error) {
			if (!(error instanceof ClientError)) throw error;
			// Another process that starts now made him.
			if (await repositories.initialUsers.hasAdmin()) return null;
			const refused = refusedField(error, email);
			log.error({ event: 'admin.refused', code: error.code }, `ADMIN_${refused}: ${error.message}`);
			if (refused === 'EMAIL' && email !== '') email = '';
			else if (refused === 'USERNAME' && username !== usualName) username = usualName;
			else return null;
		}
	}
}

const usualName = 'admin';

/** Which variable a refusal is about. */
function refusedField({ code, details }: ClientError, email: string): 'USERNAME' | 'EMAIL' | 'PASS' {
	const codes: unknown[] = ['error-invalid-email', 'error-invalid-domain', 'error-email-domain-blacklisted'];
	if (codes.includes(code)) return 'EMAIL';
	if (code === 'error-field-unavailable') {
		return (details as { field?: unknown } | undefined)?.field === email ? 'EMAIL' : 'USERNAME';
	}
	return code === 'error-input-is-not-a-valid-field' || code === 'error-blocked-username' ? 'USERNAME' : 'PASS';
}
