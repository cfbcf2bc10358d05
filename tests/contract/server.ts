import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import { resolve } from 'node:path';
import { MongoClient, type Db } from 'mongodb';

/**
 * Starts the server as its users do, as a command, on a database of its own, and speaks to it over HTTP and sockets only.
 */

const command = resolve(import.meta.dirname, '../../rookery.mjs');

export type Mode = 'one process' | 'six processes';

export type LogLine = Record<string, unknown> & { event?: string; name?: string; pid?: number };

export type TestServer = {
	/** `http://127.0.0.1:<port>` */
	url: string;
	/** `ws://127.0.0.1:<port>/websocket` */
	socketUrl: string;
	admin: Session;
	child: ChildProcess;
	/** Lines of the log so far, oldest first. */
	log: LogLine[];
	/** Resolves with the first line, past or future, that fits. */
	logged(fits: (line: LogLine) => boolean, timeoutMs?: number): Promise<LogLine>;
	db: Db;
	/** Stops the server and removes its database; once. Resolves with the exit code. */
	stop(): Promise<number | null>;
};

export type Session = { userId: string; authToken: string; username: string };

function required(name: string): string {
	const value = process.env[name];
	if (value === undefined) throw new Error(`${name} is not set: start the tests with \`npm test\``);
	return value;
}

/** Starts a server on an empty database and logs its administrator in. Stop it in an `after` hook. */
export async function startServer(
	mode: Mode,
	options: { env?: Record<string, string>; args?: string[]; database?: string } = {},
): Promise<TestServer> {
	const database = options.database ?? `rk_test_${randomBytes(6).toString('hex')}`;
	const mongoUrl = new URL(required('ROOKERY_TEST_MONGO_URL'));
	mongoUrl.pathname = `/${database}`;
	const args = mode === 'six processes' ? ['up', '--separate', ...(options.args ?? [])] : ['up'];
	const env: NodeJS.ProcessEnv = {
		...process.env,
		MONGO_URL: mongoUrl.href,
		PORT: '0',
		LOG_FORMAT: 'json',
		ADMIN_USERNAME: 'admin',
		ADMIN_PASS: 'correct horse battery staple',
		ADMIN_EMAIL: 'admin@example.com',
		OVERWRITE_SETTING_API_Enable_Rate_Limiter: 'false',
		OVERWRITE_SETTING_DDP_Rate_Limit_User_By_Method_Enabled: 'false',
		OVERWRITE_SETTING_DDP_Rate_Limit_Connection_By_Method_Enabled: 'false',
		...options.env,
	};
	delete env['NODE_OPTIONS'];
	delete env['NODE_TEST_CONTEXT'];
	if (mode === 'six processes') env['TRANSPORTER'] ??= required('ROOKERY_TEST_NATS_URL');
	else delete env['TRANSPORTER'];
	const child = spawn(process.execPath, [command, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
	const { log, logged } = followLog(child);
	const ready = await logged((line) => line.event === 'ready' && typeof line['address'] === 'string', 90_000);
	const url = String(ready['address']).replace(/\/$/, '').replace('localhost', '127.0.0.1');
	const mongo = await MongoClient.connect(required('ROOKERY_TEST_MONGO_URL'));
	let stopping: Promise<number | null> | null = null;
	const stopOnce = async () => {
		const code = await stopChild(child);
		await mongo.db(database).dropDatabase();
		await mongo.close();
		return code;
	};
	const stop = () => (stopping ??= stopOnce());
	try {
		const admin = await login(url, 'admin', 'correct horse battery staple');
		return {
			url,
			socketUrl: `${url.replace('http', 'ws')}/websocket`,
			admin,
			child,
			log,
			logged,
			db: mongo.db(database),
			stop,
		};
	} catch (error) {
		await stop();
		throw error;
	}
}

/** Reads the JSON log of a child; what is no JSON is kept as `{text}`. At most 20,000 lines. */
function followLog(child: ChildProcess) {
	const log: LogLine[] = [];
	const waiting = new Set<{ fits: (line: LogLine) => boolean; found: (line: LogLine) => void }>();
	const read = (text: string) => {
		let line: LogLine;
		try {
			line = JSON.parse(text) as LogLine;
		} catch {
			line = { text };
		}
		log.push(line);
		if (log.length > 20_000) log.shift();
		for (const entry of waiting) if (entry.fits(line)) entry.found(line);
	};
	for (const stream of [child.stdout, child.stderr]) {
		if (stream !== null) createInterface({ input: stream }).on('line', read);
	}
	const logged = (fits: (line: LogLine) => boolean, timeoutMs = 30_000): Promise<LogLine> => {
		const present = log.find(fits);
		if (present !== undefined) return Promise.resolve(present);
		return new Promise((resolve, reject) => {
			const finish = (act: () => void) => {
				waiting.delete(entry);
				clearTimeout(timer);
				child.off('exit', gone);
				act();
			};
			const tail = () =>
				log
					.slice(-30)
					.map((line) => JSON.stringify(line))
					.join('\n');
			const entry = { fits, found: (line: LogLine) => finish(() => resolve(line)) };
			const gone = () => finish(() => reject(new Error(`the server ended before the line came:\n${tail()}`)));
			const timer = setTimeout(() => finish(() => reject(new Error(`no such log line:\n${tail()}`))), timeoutMs);
			waiting.add(entry);
			child.once('exit', gone);
		});
	};
	return { log, logged };
}

async function stopChild(child: ChildProcess): Promise<number | null> {
	if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
	const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
	child.kill('SIGTERM');
	const timer = setTimeout(() => child.kill('SIGKILL'), 35_000);
	const code = await ended;
	clearTimeout(timer);
	return code;
}

export type Answer = { status: number; body: Record<string, any>; headers: Headers };

/** One REST call. `path` is below `/api/v1/` unless it starts with `/`. */
export async function rest(
	url: string,
	method: string,
	path: string,
	options: { session?: Session | undefined; body?: unknown; headers?: Record<string, string>; text?: string } = {},
): Promise<Answer> {
	const headers: Record<string, string> = { ...options.headers };
	if (options.session !== undefined) {
		headers['X-User-Id'] = options.session.userId;
		headers['X-Auth-Token'] = options.session.authToken;
	}
	const init: RequestInit = { method, headers, signal: AbortSignal.timeout(20_000) };
	if (options.text !== undefined) init.body = options.text;
	else if (options.body !== undefined) {
		headers['Content-Type'] ??= 'application/json';
		init.body = JSON.stringify(options.body);
	}
	const response = await fetch(`${url}${path.startsWith('/') ? path : `/api/v1/${path}`}`, init);
	const text = await response.text();
	return { status: response.status, body: JSON.parse(text) as Record<string, any>, headers: response.headers };
}

/** A REST call that must succeed. */
export async function ok(...args: Parameters<typeof rest>): Promise<Record<string, any>> {
	const answer = await rest(...args);
	if (answer.status !== 200) throw new Error(`${args[1]} ${args[2]}: ${answer.status} ${JSON.stringify(answer.body)}`);
	return answer.body;
}

export async function login(url: string, user: string, password: string): Promise<Session> {
	const body = await ok(url, 'POST', 'login', { body: { user, password } });
	return { userId: body['data'].userId, authToken: body['data'].authToken, username: body['data'].me.username };
}

/** Creates a user through the API and logs it in. */
export async function createUser(server: TestServer, username: string, extra: object = {}): Promise<Session> {
	const body = {
		username,
		name: username,
		email: `${username}@example.com`,
		password: `secret of ${username}`,
		...extra,
	};
	await ok(server.url, 'POST', 'users.create', { session: server.admin, body });
	return login(server.url, username, `secret of ${username}`);
}
