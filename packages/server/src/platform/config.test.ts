import assert from 'node:assert/strict';
import { test } from 'node:test';
import { variables } from './config-variables.ts';
import { ConfigError, readConfig } from './config.ts';

test('an empty environment gives the defaults', () => {
	const config = readConfig({ HOME: '/home/ana' });
	const { mongoUrl, transporter, port, bindIp, metricsPort, metricsBindIp, compatVersion, logLevel, logFormat } =
		config;
	assert.deepEqual(
		{ mongoUrl, transporter, port, bindIp, metricsPort, metricsBindIp, compatVersion, logLevel, logFormat },
		{
			mongoUrl: null,
			transporter: null,
			port: 3000,
			bindIp: null,
			metricsPort: 9458,
			metricsBindIp: '127.0.0.1',
			compatVersion: '8.6',
			logLevel: 'info',
			logFormat: null,
		},
	);
	assert.equal(config.dataDirectory, '/home/ana/.rookery/data');
	assert.equal(config.binDirectory, '/home/ana/.rookery/bin');
	assert.equal(config.firstAdmin, null);
	assert.deepEqual([config.allowedOrigins, config.isDeflateOn, config.maxSockets], [[], false, null]);
	assert.notEqual(config.instanceId, readConfig({}).instanceId);
});

test('what is set is taken, typed', () => {
	const config = readConfig({
		MONGO_URL: 'mongodb://ana:se/c:ret@db1,db2:27018/chat?replicaSet=rs01',
		TRANSPORTER: 'monolith+nats://nats:4222',
		ROOT_URL: 'https://chat.example.com/team/',
		PORT: '0',
		BIND_IP: '::',
		HTTP_FORWARDED_COUNT: '2',
		ROOKERY_ALLOWED_ORIGINS: 'https://Chat.Example.com:443/, http://localhost:3000,capacitor://localhost',
		ROOKERY_WEBSOCKET_DEFLATE: 'true',
		CREATE_TOKENS_FOR_USERS: 'true',
		ADMIN_PASS: 'secret',
		INITIAL_USER: '{"_id":"bot"}',
		ROOKERY_DATA: '/srv/data/',
		MONGO_OPLOG_URL: 'mongodb://db/local',
		OVERWRITE_SETTING_Site_Name: 'Team',
	});
	assert.equal(config.rootUrl, 'https://chat.example.com/team');
	assert.equal(config.port, 0);
	assert.equal(config.forwardedCount, 2);
	assert.deepEqual(config.allowedOrigins, [
		'https://chat.example.com',
		'http://localhost:3000',
		'capacitor://localhost',
	]);
	assert.equal(config.isDeflateOn, true);
	assert.equal(config.createTokensForUsers, true);
	assert.deepEqual(config.firstAdmin, { username: 'admin', password: 'secret', email: '', name: 'Administrator' });
	assert.deepEqual(config.initialUser, { _id: 'bot' });
	assert.equal(config.dataDirectory, '/srv/data');
	assert.deepEqual(config.ignored, ['MONGO_OPLOG_URL']);
	assert.equal(config.environment['OVERWRITE_SETTING_Site_Name'], 'Team');
});

test('a variable set to the empty text counts as not set', () => {
	const config = readConfig({ PORT: '', MONGO_URL: '', LOG_LEVEL: '', ADMIN_PASS: '' });
	assert.equal(config.port, 3000);
	assert.equal(config.mongoUrl, null);
	assert.equal(config.firstAdmin, null);
});

const wrong: [name: keyof typeof variables, value: string, what: RegExp][] = [
	['PORT', '70000', /'70000' is out of range/],
	['PORT', '30a', /'30a' is no whole number/],
	['PORT', '-1', /out of range/],
	['BIND_IP', '300.1.1.1', /is no address/],
	['METRICS_PORT', '1e3', /no whole number/],
	['METRICS_BIND_IP', 'example.com', /no address/],
	['MONGO_URL', 'postgres://db', /is no MongoDB URL/],
	['TRANSPORTER', 'nats://a b', /holds spaces/],
	['ROOT_URL', 'chat.example.com', /is no web address/],
	['ROOT_URL', 'https://chat.example.com/?a=b', /is no web address/],
	['INSTANCE_ID', 'a b', /is no name/],
	['ROOKERY_NAMESPACE', 'a.b', /is no name/],
	['ROOKERY_COMPAT_VERSION', 'latest', /is no version/],
	['ROOKERY_ENCRYPTION_KEY', 'short', /is too short/],
	['CREATE_TOKENS_FOR_USERS', 'maybe', /neither true nor false/],
	['INITIAL_USER', '["a"]', /no JSON object with an _id/],
	['LOG_LEVEL', 'loud', /is no level/],
	['LOG_FORMAT', 'xml', /is no format/],
	['HTTP_FORWARDED_COUNT', '1.5', /no whole number/],
	['ROOKERY_MAX_SOCKETS', '0', /ROOKERY_MAX_SOCKETS/],
	['ROOKERY_ALLOWED_ORIGINS', 'https://a.example/path', /is no list of origins/],
	['ROOKERY_ALLOWED_ORIGINS', 'https://a.example,,', /is no list of origins/],
	['ROOKERY_ALLOWED_ORIGINS', '*', /is no list of origins/],
	['ROOKERY_WEBSOCKET_DEFLATE', 'yes', /neither true nor false/],
	['ADMIN_USERNAME', 'x'.repeat(300), /longer than 256/],
];

for (const [name, value, what] of wrong) {
	test(`${name}=${value.slice(0, 20)} is refused: which variable, what was wrong, what is allowed`, () => {
		assert.throws(
			() => readConfig({ [name]: value }),
			(error) => {
				assert.ok(error instanceof ConfigError);
				assert.equal(error.problems.length, 1);
				assert.match(error.message, new RegExp(`^${name}: `));
				assert.match(error.message, what);
				assert.ok(error.message.endsWith(`Allowed: ${variables[name].allowed}.`));
				return true;
			},
		);
	});
}

test('every wrong variable is named at once', () => {
	assert.throws(() => readConfig({ PORT: 'x', LOG_LEVEL: 'y' }), /PORT: [^\n]*\nLOG_LEVEL: /);
});

test('secrets of wrong values are not shown', () => {
	const canary = 'canary-7d1f';
	for (const env of [
		{ MONGO_URL: `postgres://ana:${canary}@db/x` },
		{ MONGO_URL: `postgres://ana:${canary}/with@at@db/x` },
		{ MONGO_URL: `ana:${canary}@db/x` },
		{ TRANSPORTER: `nats://ana:${canary}@a b` },
		{ ROOKERY_ENCRYPTION_KEY: canary },
		{ INITIAL_USER: `{"password":"${canary}"}` },
		{ ADMIN_PASS: canary.repeat(1000) },
	]) {
		assert.throws(
			() => readConfig(env),
			(error) => error instanceof ConfigError && !error.message.includes(canary),
			Object.keys(env)[0],
		);
	}
});
