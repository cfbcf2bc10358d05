import type { TestContext } from 'node:test';
import type { Db } from 'mongodb';
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

async function createIndexes(db: Db): Promise<void> {
	for (const name of ['users', 'rocketchat_server_events', 'rookery_attempts']) {
		await db.collection(name).createIndexes([...(indexTable[name] ?? [])]);
	}
}

/** The accounts service on a database of its own, with cheap hashes and without rate limits unless set. */
export async function accountsHarness(t: TestContext, values: Record<string, unknown> = {}) {
	const db = await testDatabase(t);
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
