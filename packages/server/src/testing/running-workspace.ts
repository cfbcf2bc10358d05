import type { TestContext } from 'node:test';
import { localBus, type LocalBus } from '../bus/local.ts';
import { systemClock } from '../platform/clock.ts';
import { readConfig } from '../platform/config.ts';
import { processNames, startProcesses } from '../processes.ts';
import { connectDatabase, type Database } from '../repositories/database.ts';
import { prepareDatabase } from '../services/prepare-database.ts';
import { fakeLog } from './accounts.ts';
import { testMongoUrl, uniqueName } from './database.ts';
import { testSocket, type TestSocket } from './sockets.ts';

/** A user who has logged in by REST. */
export type RunningUser = { uid: string; token: string; username: string; password: string };

/** Every service, started in this process as the program itself starts them, on a database of its own. */
export type RunningWorkspace = {
	db: Database['db'];
	bus: LocalBus;
	admin: RunningUser;
	log: ReturnType<typeof fakeLog>['lines'];
	/** A call of the REST API that must succeed. */
	rest(method: 'GET' | 'POST', path: string, body?: object, user?: RunningUser): Promise<Record<string, unknown>>;
	/** Logs in by name and password: a token of its own each time. */
	session(user: Pick<RunningUser, 'username' | 'password'>): Promise<RunningUser>;
	/** A new user with the role `user` who has joined nothing. */
	user(username: string, fields?: object): Promise<RunningUser>;
	/** A socket that has negotiated. */
	connect(): Promise<TestSocket>;
	/** A socket that has logged in by the user's token. */
	login(user: RunningUser): Promise<TestSocket>;
};

/** Cheap hashes: the tests prove nothing about their cost. */
const passwordCost = 4;

const environment = {
	PORT: '0',
	ADMIN_USERNAME: 'admin',
	ADMIN_PASS: 'secret of admin',
	ADMIN_EMAIL: 'admin@example.com',
	OVERWRITE_SETTING_API_Enable_Rate_Limiter: 'false',
	OVERWRITE_SETTING_DDP_Rate_Limit_User_By_Method_Enabled: 'false',
	OVERWRITE_SETTING_DDP_Rate_Limit_Connection_By_Method_Enabled: 'false',
};

/** Starts a workspace; it is stopped and removed when the test ends. */
export async function runningWorkspace(t: TestContext): Promise<RunningWorkspace> {
	const database = await connectDatabase(testMongoUrl(uniqueName()), { appName: 'test' });
	const { log, lines } = fakeLog();
	const config = readConfig(environment);
	const shared = { config, log, clock: systemClock, database, rootUrl: 'http://localhost', passwordCost };
	const { newAdminId } = await prepareDatabase(shared);
	const bus = localBus();
	const running = await startProcesses(processNames, {
		...shared,
		bus,
		version: '0.0.0',
		isSingle: true,
		newAdminId,
		before: [],
	});
	const open = new Set<TestSocket>();
	t.after(async () => {
		for (const socket of open) socket.terminate();
		await running.stop();
		await bus.close();
		await database.db.dropDatabase();
		await database.close();
	});
	const host = `127.0.0.1:${running.port}`;
	return { db: database.db, bus, log: lines, ...(await clientsOf(host, open)) };
}

async function clientsOf(host: string, open: Set<TestSocket>) {
	const rest: RunningWorkspace['rest'] = async (method, path, body, user) => {
		const headers: Record<string, string> = { 'Content-Type': 'application/json' };
		if (user !== undefined) Object.assign(headers, { 'X-User-Id': user.uid, 'X-Auth-Token': user.token });
		const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) };
		const response = await fetch(`http://${host}/api/v1/${path}`, init);
		const text = await response.text();
		if (response.status !== 200) throw new Error(`${path}: ${response.status} ${text}`);
		return JSON.parse(text) as Record<string, unknown>;
	};
	const session: RunningWorkspace['session'] = async ({ username, password }) => {
		const { data } = await rest('POST', 'login', { user: username, password });
		const { userId, authToken } = data as { userId: string; authToken: string };
		return { uid: userId, token: authToken, username, password };
	};
	const admin = await session({ username: 'admin', password: environment.ADMIN_PASS });
	const connect = async (): Promise<TestSocket> => {
		const socket = await testSocket(`ws://${host}/websocket`);
		open.add(socket);
		await socket.negotiate();
		return socket;
	};
	return {
		rest,
		session,
		admin,
		connect,
		async user(username: string, fields: object = {}): Promise<RunningUser> {
			const password = `secret of ${username}`;
			const email = `${username}@example.com`;
			const body = { username, name: `Name of ${username}`, email, password, joinDefaultChannels: false, ...fields };
			await rest('POST', 'users.create', body, admin);
			return session({ username, password });
		},
		async login(user: RunningUser): Promise<TestSocket> {
			const socket = await connect();
			await socket.call('login', { resume: user.token });
			return socket;
		},
	};
}
