import { createHash } from 'node:crypto';
import type { TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Db } from 'mongodb';
import type { User } from '@rookery/protocol/records.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import { firstAdminRepository } from '../repositories/first-admin.ts';
import { loginAttemptRepository } from '../repositories/login-attempts.ts';
import { indexTable } from '../repositories/migrations/index-table.ts';
import { userCredentialRepository } from '../repositories/user-credentials.ts';
import { userRepository } from '../repositories/users.ts';
import { accountsService } from '../services/accounts.ts';
import type { Connection } from '../services/contracts.ts';
import type { SettingsReader } from '../services/settings.ts';
import { testDatabase } from './database.ts';

/** Settings as a test sets them; what it does not set is the caller's fallback. */
export function fakeSettings(values: Record<string, unknown>): SettingsReader {
	return {
		get: (id) => values[id],
		flag: (id, fallback = false) => (typeof values[id] === 'boolean' ? values[id] : fallback),
		number: (id, fallback) => (typeof values[id] === 'number' ? values[id] : fallback),
		text: (id, fallback = '') => (typeof values[id] === 'string' ? values[id] : fallback),
	};
}

/** A clock that starts at the real time and moves only when the test says so. */
export function movableClock(): Clock & { advance(ms: number): void } {
	let offset = 0;
	return {
		now: () => Date.now() + offset,
		monotonic: () => performance.now() + offset,
		advance(ms) {
			offset += ms;
		},
	};
}

/** A log that keeps its lines and writes none. */
export function fakeLog(): { log: Log; lines: { level: string; fields: object }[] } {
	const lines: { level: string; fields: object }[] = [];
	const at = (level: string) => (fields: object | string) => {
		lines.push({ level, fields: typeof fields === 'string' ? { message: fields } : fields });
	};
	const log: Log = {
		trace: at('trace'),
		debug: at('debug'),
		info: at('info'),
		warn: at('warn'),
		error: at('error'),
		fatal: at('fatal'),
		child: () => log,
		flush: () => undefined,
	};
	return { log, lines };
}

export function connectionFrom(clientAddress: string, transport: Connection['transport'] = 'websocket'): Connection {
	return { id: `c-${clientAddress}`, clientAddress, userAgent: 'test', transport };
}

/** Those that the tests rely on: a database of all would cost every test half a second and a hundred files. */
const neededKeys = [
	'username',
	'emails.address',
	'services.resume.loginTokens.hashedToken',
	'rk.username',
	'rk.emails',
];

async function createIndexes(db: Db): Promise<void> {
	const ofUsers = (indexTable['users'] ?? []).filter(({ key }) => neededKeys.includes(Object.keys(key).join()));
	await db.collection('users').createIndexes(ofUsers);
	await db.collection('rocketchat_server_events').createIndexes([...(indexTable['rocketchat_server_events'] ?? [])]);
}

/**
 * The accounts service on a database of its own, with cheap hashes and without rate limits unless set.
 *
 * @param onCommand Hears the name of each command to the database.
 */
export async function accountsHarness(
	t: TestContext,
	values: Record<string, unknown> = {},
	onCommand?: (name: string) => void,
) {
	const db = await testDatabase(t, onCommand);
	await createIndexes(db);
	const settingValues: Record<string, unknown> = { API_Enable_Rate_Limiter: false, ...values };
	const settings = fakeSettings(settingValues);
	const clock = movableClock();
	const users = userRepository(db);
	const joined: string[] = [];
	const { lines, log } = fakeLog();
	const deps = {
		users,
		credentials: userCredentialRepository(db),
		attempts: loginAttemptRepository(db),
		firstAdmin: firstAdminRepository(db),
		settings,
		core: {
			joinDefaultRooms: (uid: string) => {
				joined.push(uid);
				return Promise.resolve();
			},
		},
		clock,
		log,
	};
	const accounts = accountsService({ ...deps, passwordCost: 4 });
	return { db, users, accounts, settings, settingValues, clock, joined, logLines: lines, deps };
}

/** The hash under which a token is stored. */
export function hashOf(token: string): string {
	return createHash('sha256').update(token).digest('base64');
}

/** The harness with one user `Ana`, password `secret`. */
export async function accountsWithAna(t: TestContext, values: Record<string, unknown> = {}) {
	const h = await accountsHarness(t, values);
	const ana = await h.accounts.createUser({
		username: 'Ana',
		name: 'Ana A',
		email: 'Ana@Example.org',
		password: 'secret',
		roles: ['user'],
	});
	const stored = () => h.db.collection<User>('users').findOne({ _id: ana._id });
	const login = (password: unknown = 'secret', user: unknown = { username: 'Ana' }) =>
		h.accounts.login({ user, password }, connectionFrom('10.0.0.1'));
	return { ...h, ana, stored, login };
}

/** Asks until there is an answer, at most 5 s. */
export async function waitFor<T>(read: () => Promise<T | null>): Promise<T> {
	const end = performance.now() + 5_000;
	for (;;) {
		const value = await read();
		if (value !== null) return value;
		if (performance.now() > end) throw new Error('nothing came within 5 s');
		await turn();
	}
}
