import { text as readAll } from 'node:stream/consumers';
import { ClientError } from '@rookery/protocol/errors.ts';
import { z } from 'zod';
import { systemClock } from '../platform/clock.ts';
import { StartProblem } from '../platform/start-problem.ts';
import { repositoriesOf, type Repositories } from '../repositories/repositories.ts';
import { accountsService } from '../services/accounts.ts';
import type { AccountsApi } from '../services/contracts.ts';
import { prepareDatabase } from '../services/prepare-database.ts';
import { readSettings } from '../services/settings.ts';
import { withLocalDatabase, type LocalWork } from './local-database.ts';

const passwordOptions = z.object({ password: z.string().optional(), passwordStdin: z.boolean().optional() });
const creation = passwordOptions.extend({
	username: z.string(),
	email: z.string().optional(),
	name: z.string().optional(),
	admin: z.boolean().optional(),
});

/** `rookery user create`: makes an account on the database itself. It joins default rooms at no one's word but a core's. */
export async function createUser(options: object): Promise<void> {
	const { username, email, name, admin, ...password } = creation.parse(options);
	const secret = await passwordOf(password);
	await withAccounts(async ({ accounts }) => {
		const { _id } = await accounts.createUser({
			username,
			password: secret,
			name: name ?? username,
			...(email === undefined ? {} : { email, verified: true }),
			roles: admin === true ? ['admin', 'user'] : ['user'],
		});
		process.stdout.write(`created ${username} (${_id})${admin === true ? ', an administrator' : ''}\n`);
	});
}

/** `rookery user set-password`: a new password; all logins of the account end. */
export async function setPassword(username: string, options: object): Promise<void> {
	const secret = await passwordOf(passwordOptions.parse(options));
	await withAccounts(async ({ accounts, repositories }) => {
		const user = await repositories.users.findByUsername(username);
		if (user === null) throw new StartProblem(`There is no user ${username}.`);
		await accounts.setPassword(user._id, secret);
		process.stdout.write(`${user.username ?? username} has a new password and is logged out everywhere\n`);
	});
}

const pageSize = 500;
const listed = z.object({
	username: z.string().optional(),
	name: z.string().optional(),
	emails: z.array(z.object({ address: z.string() })).optional(),
	roles: z.array(z.string()).optional(),
	active: z.boolean().optional(),
	type: z.string().optional(),
});

/** `rookery user list`: every account, a line each. */
export function listUsers({ json }: { json?: true }): Promise<void> {
	return withLocalDatabase(async ({ database }) => {
		const { users } = repositoriesOf(database.db);
		for (let offset = 0; ; offset += pageSize) {
			const page = await users.list({
				filter: null,
				sort: [['username', 1]],
				offset,
				count: pageSize,
				fields: ['username', 'name', 'emails', 'roles', 'active', 'type'],
			});
			for (const user of page.users) process.stdout.write(`${lineOf(listed.parse(user), json === true)}\n`);
			if (offset + pageSize >= page.total) return;
		}
	});
}

function lineOf(user: z.output<typeof listed>, isJson: boolean): string {
	const email = user.emails?.[0]?.address ?? '';
	const roles = user.roles ?? [];
	const state = user.active === false ? 'inactive' : 'active';
	const { username = '', name = '', type = 'user' } = user;
	if (isJson) return JSON.stringify({ username, name, email, roles, active: state === 'active', type });
	return [username.padEnd(24), email.padEnd(32), roles.join(',').padEnd(16), state.padEnd(9), name].join(' ').trimEnd();
}

type Accounts = { accounts: AccountsApi; repositories: Repositories };

/** The accounts service on the database itself: refusals are told as they are, everything else is a bug. */
function withAccounts(work: (local: Accounts) => Promise<void>): Promise<void> {
	return withLocalDatabase(async (local) => {
		const accounts = await accountsOn(local);
		try {
			await work(accounts);
		} catch (error) {
			if (!(error instanceof ClientError)) throw error;
			throw new StartProblem(error.reason ?? error.message);
		}
	});
}

async function accountsOn({ config, log, database }: LocalWork): Promise<Accounts> {
	const rootUrl = config.rootUrl ?? `http://localhost:${config.port}`;
	await prepareDatabase({ database, config, rootUrl, clock: systemClock, log });
	const repositories = repositoriesOf(database.db);
	const settings = await readSettings(repositories.settings);
	return {
		accounts: accountsService({ ...repositories, settings, core: null, clock: systemClock, log }),
		repositories,
	};
}

/** From the option, standard input, or asked for on a terminal. @throws StartProblem */
async function passwordOf({ password, passwordStdin }: z.output<typeof passwordOptions>): Promise<string> {
	if (password !== undefined && passwordStdin === true) {
		throw new StartProblem('--password and --password-stdin exclude each other.');
	}
	if (password !== undefined) return nonEmpty(password);
	if (passwordStdin === true) return nonEmpty((await readAll(process.stdin)).replace(/\r?\n$/, ''));
	if (!process.stdin.isTTY) throw new StartProblem('Give a password: --password-stdin, or --password <text>.');
	const prompts = await import('@clack/prompts');
	const answer = await prompts.password({
		message: 'Password',
		validate: (value) => (value ? undefined : 'It is empty.'),
	});
	if (prompts.isCancel(answer)) throw new StartProblem('Nothing was changed.');
	return answer;
}

function nonEmpty(password: string): string {
	if (password === '') throw new StartProblem('The password is empty.');
	return password;
}
