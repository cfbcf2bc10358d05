/** How a variable is explained: in `rookery --help` and when its value is wrong. */
export type Variable = {
	/** What it decides, half a sentence. */
	meaning: string;
	/** Which values it takes, half a sentence. */
	allowed: string;
	/** Shown as its default; '' = none. */
	fallback: string;
	/** How much of a wrong value may be printed: 'address' hides user and password. Default: all of it. */
	show?: 'address' | 'nothing';
};

/**
 * Every variable that is read, but for those of settings.
 *
 * @see architecture, "How it is started"
 */
export const variables = {
	MONGO_URL: {
		meaning: 'the MongoDB to use, a replica set',
		allowed: 'a URL mongodb://host[:port][,...]/database?replicaSet=name or mongodb+srv://...',
		fallback: 'an own server is started (up), required (start)',
		show: 'address',
	},
	TRANSPORTER: {
		meaning: 'the NATS servers to use',
		allowed: 'nats://[user:password@]host[:port], several with commas between; tls:// as well',
		fallback: 'none (up), required (start)',
		show: 'address',
	},
	ROOT_URL: {
		meaning: 'the public address, may hold a path prefix',
		allowed: 'a URL http://... or https://... without user, query and fragment',
		fallback: 'http://localhost:<PORT>',
	},
	PORT: { meaning: 'public port of HTTP and WebSocket', allowed: '0 (any free port) to 65535', fallback: '3000' },
	BIND_IP: {
		meaning: 'address the public port listens on',
		allowed: 'an IPv4 or IPv6 address, or localhost',
		fallback: '127.0.0.1 (up), 0.0.0.0 (start)',
	},
	METRICS_PORT: {
		meaning: 'port of /livez, /readyz and /metrics of `start`',
		allowed: '0 (any free port) to 65535',
		fallback: '9458',
	},
	METRICS_BIND_IP: {
		meaning: 'address that port listens on',
		allowed: 'an IPv4 or IPv6 address, or localhost',
		fallback: '127.0.0.1',
	},
	ADMIN_USERNAME: { meaning: 'first administrator', allowed: 'at most 256 characters', fallback: 'admin' },
	ADMIN_PASS: {
		meaning: 'its password; makes the account on an empty database',
		allowed: 'at most 4096 characters',
		fallback: '',
		show: 'nothing',
	},
	ADMIN_EMAIL: { meaning: 'its e-mail address', allowed: 'at most 320 characters', fallback: '' },
	ADMIN_NAME: { meaning: 'its full name', allowed: 'at most 256 characters', fallback: 'Administrator' },
	INSTANCE_ID: {
		meaning: 'stable name of this process',
		allowed: '1 to 128 letters, digits, . : _ -',
		fallback: 'generated',
	},
	ROOKERY_DATA: { meaning: 'data of the own MongoDB', allowed: 'a path', fallback: '~/.rookery/data' },
	ROOKERY_BIN: { meaning: 'where fetched programs are kept', allowed: 'a path', fallback: '~/.rookery/bin' },
	ROOKERY_MONGOD: { meaning: 'the mongod to start', allowed: 'a path', fallback: 'found or fetched' },
	ROOKERY_NATS_SERVER: { meaning: 'the nats-server to start', allowed: 'a path', fallback: 'found or fetched' },
	ROOKERY_COMPAT_VERSION: {
		meaning: 'the Rocket.Chat version told to clients',
		allowed: 'a version such as 8.6 or 8.6.1',
		fallback: '8.6',
	},
	ROOKERY_NAMESPACE: {
		meaning: 'separates deployments that share a NATS',
		allowed: '1 to 64 letters, digits, _ -',
		fallback: "the workspace's uniqueID",
	},
	DEPLOYMENT_ID: {
		meaning: 'uniqueID of a new workspace',
		allowed: 'at most 256 characters',
		fallback: 'random',
	},
	ROOKERY_ENCRYPTION_KEY: {
		meaning: 'key for second-factor secrets at rest; this version stores none',
		allowed: '16 to 4096 characters',
		fallback: '',
		show: 'nothing',
	},
	CREATE_TOKENS_FOR_USERS: {
		meaning: 'allows users.createToken',
		allowed: 'true or false',
		fallback: 'false',
	},
	CREATE_TOKENS_FOR_USERS_SECRET: {
		meaning: 'secret that users.createToken asks for',
		allowed: 'at most 4096 characters',
		fallback: '',
		show: 'nothing',
	},
	INITIAL_USER: {
		meaning: 'a user to insert when absent',
		allowed: 'JSON of a user document with a text as _id',
		fallback: '',
		show: 'nothing',
	},
	LOG_LEVEL: {
		meaning: 'least important lines that are logged',
		allowed: 'fatal, error, warn, info, debug, trace or silent',
		fallback: 'info',
	},
	LOG_FORMAT: { meaning: 'form of the log', allowed: 'pretty or json', fallback: 'pretty on a terminal, else json' },
	ROOKERY_ALLOWED_ORIGINS: {
		meaning: 'sites whose pages may open sockets, besides the own one',
		allowed: 'origins such as https://chat.example.com with commas between',
		fallback: 'all',
	},
	ROOKERY_WEBSOCKET_DEFLATE: {
		meaning: 'compresses WebSockets for clients that offer it: less traffic, more memory',
		allowed: 'true or false',
		fallback: 'false',
	},
	ROOKERY_MAX_SOCKETS: {
		meaning: 'sockets one streamer takes; more are refused with 503',
		allowed: 'a whole number from 1',
		fallback: '50000',
	},
	HTTP_FORWARDED_COUNT: {
		meaning: 'reverse proxies in front whose headers are trusted',
		allowed: '0 to 100',
		fallback: '0',
	},
} as const satisfies Record<string, Variable>;

export type VariableName = keyof typeof variables;

/** Variables of existing Rocket.Chat manifests that are accepted and mean nothing here. */
export const ignoredVariables = ['MONGO_OPLOG_URL', 'DEPLOY_METHOD', 'REG_TOKEN', 'MOLECULER_LOG_LEVEL'] as const;
