import { randomId } from '@rookery/protocol/ids.ts';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { ignoredVariables, variables, type Variable, type VariableName } from './config-variables.ts';

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

export type LogLevel = (typeof logLevels)[number];
export type LogFormat = 'pretty' | 'json';

/** The first administrator, as the environment describes it. */
export type FirstAdmin = { username: string; password: string; email: string; name: string };

/**
 * Everything the environment decides, read once at the start. `null` = not given.
 *
 * @see architecture, "How it is started"
 */
export type Config = {
	/** `mongodb://` or `mongodb+srv://`. null: the embedded server is used by `up`. */
	mongoUrl: string | null;
	/** One or several NATS servers. null: `up` uses the bus of its own process. */
	transporter: string | null;
	/** Public address without a slash at its end. null: `http://localhost:<port in use>`. */
	rootUrl: string | null;
	/** 0 = any free port. */
	port: number;
	/** null: 127.0.0.1 for `up`, 0.0.0.0 for `start`. */
	bindIp: string | null;
	metricsPort: number;
	metricsBindIp: string;
	/** null: no `ADMIN_PASS`, so the first person to register becomes administrator. */
	firstAdmin: FirstAdmin | null;
	instanceId: string;
	/** Where the embedded MongoDB keeps its data. Absolute. */
	dataDirectory: string;
	/** Where fetched programs are kept. Absolute. */
	binDirectory: string;
	/** Path of a `mongod` to use. */
	mongod: string | null;
	/** Path of a `nats-server` to use. */
	natsServer: string | null;
	/** The version told to clients. */
	compatVersion: string;
	/** Separates deployments on one NATS. null: the workspace's stored `uniqueID`. */
	namespace: string | null;
	/** The workspace id of an empty database. null: random. */
	deploymentId: string | null;
	encryptionKey: string | null;
	createTokensForUsers: boolean;
	createTokensForUsersSecret: string | null;
	/** JSON of a user document to insert when absent; checked only to be an object with an `_id`. */
	initialUser: Record<string, unknown> | null;
	logLevel: LogLevel;
	/** null: `pretty` on a terminal, else `json`. */
	logFormat: LogFormat | null;
	/** Origins whose pages may open sockets, as browsers write them. Empty: all. */
	allowedOrigins: string[];
	/** Whether WebSockets are compressed for clients that offer it. */
	isDeflateOn: boolean;
	/** Sockets of one streamer; null = the default of the streamer. */
	maxSockets: number | null;
	/** Number of trusted reverse proxies. */
	forwardedCount: number;
	/** Variables of existing manifests that are set and mean nothing here. */
	ignored: string[];
	/** The whole environment, for `OVERWRITE_SETTING_<id>` and `<id>`: the settings know their own names. */
	environment: Readonly<Record<string, string | undefined>>;
};

/** What is wrong with the environment, a line for each variable. Meant to be printed as it is: no value of a secret. */
export class ConfigError extends Error {
	override name = 'ConfigError';
	readonly problems: string[];

	constructor(problems: string[]) {
		super(problems.join('\n'));
		this.problems = problems;
	}
}

const path = z.string().transform((value) => resolve(value));
const flag = z
	.enum(['true', 'false', '1', '0'], 'is neither true nor false')
	.transform((value) => value === 'true' || value === '1');
const address = z.union([z.ipv4(), z.ipv6(), z.literal('localhost')], 'is no address');

/** Text of at most so many characters. */
function upTo(max: number) {
	return z.string().max(max, `is longer than ${max} characters`);
}

function integer(min: number, max: number) {
	return z
		.string()
		.regex(/^-?\d+$/, { error: 'is no whole number', abort: true })
		.transform(Number)
		.refine((value) => value >= min && value <= max, 'is out of range');
}

function jsonObject(value: string): Record<string, unknown> | null {
	try {
		const parsed: unknown = JSON.parse(value);
		return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
			? (parsed as Record<string, unknown>)
			: null;
	} catch {
		return null;
	}
}

function isRootUrl(value: string): boolean {
	if (!URL.canParse(value)) return false;
	const url = new URL(value);
	return /^https?:$/.test(url.protocol) && url.username === '' && url.search === '' && url.hash === '';
}

/** An origin as a browser writes it: lower case, without a default port. null when it is none. */
function originOf(entry: string): string | null {
	if (!/^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@,]+\/?$/i.test(entry) || !URL.canParse(entry)) return null;
	const { protocol, host } = new URL(entry);
	return `${protocol}//${host}`;
}

function allAreOrigins(list: (string | null)[]): list is string[] {
	return list.every((entry) => entry !== null);
}

const schemas = {
	MONGO_URL: z.string().regex(/^mongodb(\+srv)?:\/\/\S+$/, 'is no MongoDB URL'),
	TRANSPORTER: z.string().regex(/^\S+$/, 'holds spaces'),
	ROOT_URL: z
		.string()
		.refine(isRootUrl, 'is no web address')
		.transform((value) => value.replace(/\/+$/, '')),
	PORT: integer(0, 65_535),
	BIND_IP: address,
	METRICS_PORT: integer(0, 65_535),
	METRICS_BIND_IP: address,
	ADMIN_USERNAME: upTo(256),
	ADMIN_PASS: upTo(4096),
	ADMIN_EMAIL: upTo(320),
	ADMIN_NAME: upTo(256),
	INSTANCE_ID: z.string().regex(/^[\w.:-]{1,128}$/, 'is no name'),
	ROOKERY_DATA: path,
	ROOKERY_BIN: path,
	ROOKERY_MONGOD: path,
	ROOKERY_NATS_SERVER: path,
	ROOKERY_COMPAT_VERSION: z.string().regex(/^\d{1,3}\.\d{1,3}(\.\d{1,3})?$/, 'is no version'),
	ROOKERY_NAMESPACE: z.string().regex(/^[\w-]{1,64}$/, 'is no name'),
	DEPLOYMENT_ID: upTo(256),
	ROOKERY_ENCRYPTION_KEY: upTo(4096).min(16, 'is too short'),
	CREATE_TOKENS_FOR_USERS: flag,
	CREATE_TOKENS_FOR_USERS_SECRET: upTo(4096),
	INITIAL_USER: z
		.string()
		.transform(jsonObject)
		.refine((user) => user !== null && typeof user['_id'] === 'string', 'is no JSON object with an _id'),
	LOG_LEVEL: z.enum(logLevels, 'is no level'),
	LOG_FORMAT: z.enum(['pretty', 'json'], 'is no format'),
	ROOKERY_ALLOWED_ORIGINS: z
		.string()
		.transform((value) => value.split(',').map((entry) => originOf(entry.trim())))
		.refine(allAreOrigins, 'is no list of origins'),
	ROOKERY_WEBSOCKET_DEFLATE: flag,
	ROOKERY_MAX_SOCKETS: integer(1, 1_000_000),
	HTTP_FORWARDED_COUNT: integer(0, 100),
} satisfies Record<VariableName, z.ZodType>;

type Values = { [N in VariableName]?: z.output<(typeof schemas)[N]> };

/**
 * Reads the configuration from the environment. A variable set to the empty text counts as not set.
 *
 * @param env Usually `process.env`.
 * @throws ConfigError naming each wrong variable, what was wrong and what is allowed
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
	const values = readValues(env);
	const home = join(env['HOME'] || env['USERPROFILE'] || homedir(), '.rookery');
	return {
		mongoUrl: values.MONGO_URL ?? null,
		transporter: values.TRANSPORTER ?? null,
		rootUrl: values.ROOT_URL ?? null,
		port: values.PORT ?? 3000,
		bindIp: values.BIND_IP ?? null,
		metricsPort: values.METRICS_PORT ?? 9458,
		metricsBindIp: values.METRICS_BIND_IP ?? '127.0.0.1',
		firstAdmin: firstAdmin(values),
		instanceId: values.INSTANCE_ID ?? randomId(),
		dataDirectory: values.ROOKERY_DATA ?? join(home, 'data'),
		binDirectory: values.ROOKERY_BIN ?? join(home, 'bin'),
		mongod: values.ROOKERY_MONGOD ?? null,
		natsServer: values.ROOKERY_NATS_SERVER ?? null,
		compatVersion: values.ROOKERY_COMPAT_VERSION ?? '8.6',
		namespace: values.ROOKERY_NAMESPACE ?? null,
		deploymentId: values.DEPLOYMENT_ID ?? null,
		encryptionKey: values.ROOKERY_ENCRYPTION_KEY ?? null,
		createTokensForUsers: values.CREATE_TOKENS_FOR_USERS ?? false,
		createTokensForUsersSecret: values.CREATE_TOKENS_FOR_USERS_SECRET ?? null,
		initialUser: values.INITIAL_USER ?? null,
		logLevel: values.LOG_LEVEL ?? 'info',
		logFormat: values.LOG_FORMAT ?? null,
		allowedOrigins: values.ROOKERY_ALLOWED_ORIGINS ?? [],
		isDeflateOn: values.ROOKERY_WEBSOCKET_DEFLATE ?? false,
		maxSockets: values.ROOKERY_MAX_SOCKETS ?? null,
		forwardedCount: values.HTTP_FORWARDED_COUNT ?? 0,
		ignored: ignoredVariables.filter((name) => isSet(env[name])),
		environment: env,
	};
}

function isSet(value: string | undefined): value is string {
	return value !== undefined && value !== '';
}

function readValues(env: Readonly<Record<string, string | undefined>>): Values {
	const values: Record<string, unknown> = {};
	const problems: string[] = [];
	for (const name of Object.keys(schemas) as VariableName[]) {
		const given = env[name];
		if (!isSet(given)) continue;
		const read = schemas[name].safeParse(given);
		if (read.success) values[name] = read.data;
		else problems.push(problemOf(name, given, read.error.issues[0]?.message ?? 'is not valid'));
	}
	if (problems.length > 0) throw new ConfigError(problems);
	return values as Values;
}

function problemOf(name: VariableName, given: string, wrong: string): string {
	const { allowed, show }: Variable = variables[name];
	let shown = `'${given.length > 80 ? `${given.slice(0, 80)}…` : given}'`;
	if (show === 'nothing') shown = 'its value (not shown)';
	// The last @ ends the password, also where it was not encoded.
	if (show === 'address') shown = `'${given.replace(/^([^/]*\/\/)?.*@/, '$1***@').slice(0, 80)}'`;
	return `${name}: ${shown} ${wrong}. Allowed: ${allowed}.`;
}

/** @see data model, 13 */
function firstAdmin(values: Values): FirstAdmin | null {
	if (values.ADMIN_PASS === undefined) return null;
	return {
		username: values.ADMIN_USERNAME ?? 'admin',
		password: values.ADMIN_PASS,
		email: values.ADMIN_EMAIL ?? '',
		name: values.ADMIN_NAME ?? 'Administrator',
	};
}
