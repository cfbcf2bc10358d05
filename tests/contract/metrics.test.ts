import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { rest, startServer, type TestServer } from './server.ts';
import { connect } from './socket.ts';

/** The figures operators rely on, by their exact names. */

const names = [
	'process_resident_memory_bytes',
	'event_loop_delay_seconds',
	'sockets',
	'subscriptions',
	'socket_send_buffer_bytes',
	'socket_closed_total',
	'bus_connected',
	'bus_gap_total',
	'resync_total',
	'hub_lag_seconds',
	'hub_epoch',
	'hub_is_active',
	'hub_poison_total',
	'events_published_total',
	'authz_denied_total',
	'login_total',
	'rate_limited_total',
	'http_requests_total',
];

describe('metrics', { concurrency: false, timeout: 120_000 }, () => {
	let server: TestServer;
	before(async () => {
		server = await startServer('one process', { env: { OVERWRITE_SETTING_API_Enable_Rate_Limiter: 'true' } });
	});
	after(() => server?.stop());

	const metrics = async (): Promise<string> => (await fetch(`${server.url}/metrics`)).text();
	const value = (text: string, series: string): number => {
		const line = text.split('\n').find((entry) => entry.startsWith(`${series} `));
		return Number(line?.slice(series.length + 1) ?? Number.NaN);
	};

	test('all names are there, and health answers', async () => {
		const text = await metrics();
		for (const name of names) assert.match(text, new RegExp(`^# TYPE ${name} `, 'm'), name);
		assert.equal((await fetch(`${server.url}/livez`)).status, 200);
		assert.equal((await fetch(`${server.url}/readyz`)).status, 200);
	});

	test('logins, refusals, limits, requests and sockets are counted', async (t) => {
		const ok = value(await metrics(), 'login_total{result="ok"}');
		assert.ok(ok >= 1, 'the administrator logged in');
		await rest(server.url, 'POST', 'login', { body: { user: 'nobody', password: 'wrong' } });
		await rest(server.url, 'GET', 'me');
		for (let n = 0; n < 12; n += 1) await rest(server.url, 'GET', 'settings.oauth');
		const socket = await connect(server.socketUrl);
		t.after(() => socket.close());
		await socket.sub('stream-notify-all', 'public-settings-changed', false);
		const text = await metrics();
		assert.equal(value(text, 'login_total{result="403"}'), 1);
		assert.ok(value(text, 'authz_denied_total{class="not-logged-in"}') >= 1);
		assert.ok(value(text, 'rate_limited_total{scope="route"}') >= 2);
		assert.ok(value(text, 'http_requests_total{route="me",code="401"}') >= 1);
		assert.equal(value(text, 'sockets'), 1);
		assert.equal(value(text, 'subscriptions'), 1);
		assert.equal(value(text, 'hub_is_active'), 1);
		assert.equal(value(text, 'bus_connected'), 1);
	});
});
