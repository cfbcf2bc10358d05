import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { isOwnRequest, serveHealth } from './health.ts';
import { createMetrics } from './metrics.ts';

test('liveness never fails for a dependency, readiness names what is missing', async (t) => {
	const metrics = createMetrics();
	const isTrue: Record<string, boolean> = { mongodb: true, bus: false };
	const checks = { mongodb: () => isTrue['mongodb'] === true, bus: () => isTrue['bus'] === true };
	const server = await serveHealth({ metrics, checks, port: 0, host: '127.0.0.1' });
	t.after(async () => {
		metrics.stop();
		await server.close();
	});
	const get = async (path: string, method = 'GET') => {
		const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { method });
		return { status: response.status, text: await response.text() };
	};
	assert.deepEqual(await get('/livez'), { status: 200, text: 'ok\n' });
	assert.deepEqual(await get('/readyz'), { status: 503, text: 'not ready: bus\n' });
	isTrue['bus'] = true;
	assert.deepEqual(await get('/readyz?verbose'), { status: 200, text: 'ok\n' });
	assert.equal((await get('/metrics')).status, 200);
	assert.equal((await get('/metrics', 'POST')).status, 405);
	assert.equal((await get('/other')).status, 404);
});

test('the metrics carry exactly the names operators rely on', async (t) => {
	const metrics = createMetrics();
	t.after(metrics.stop);
	metrics.socketClosed.inc({ reason: '4429' });
	metrics.authzDenied.inc({ class: 'permission' });
	metrics.login.inc({ result: 'ok' });
	metrics.rateLimited.inc({ scope: 'ip' });
	metrics.httpRequests.inc({ route: '/api/info', code: '200' });
	metrics.readFrom(() => ({ sockets: 7, hub_poison_total: 2, unknown_name: 1 }));
	const text = await metrics.text();
	for (const name of [
		'process_resident_memory_bytes',
		'event_loop_delay_seconds_bucket',
		'sockets 7',
		'subscriptions',
		'socket_send_buffer_bytes',
		'socket_closed_total{reason="4429"} 1',
		'bus_connected',
		'bus_gap_total',
		'resync_total',
		'hub_lag_seconds',
		'hub_epoch',
		'hub_is_active',
		'hub_poison_total 2',
		'events_published_total',
		'authz_denied_total{class="permission"} 1',
		'login_total{result="ok"} 1',
		'rate_limited_total{scope="ip"} 1',
		'http_requests_total{route="/api/info",code="200"} 1',
	]) {
		assert.ok(new RegExp(`^${name.replaceAll(/[{}]/g, '\\$&')}`, 'm').test(text), name);
	}
	assert.ok(!text.includes('unknown_name'));
	// Read twice: a counter that its source counts is not added up.
	assert.match(await metrics.text(), /^hub_poison_total 2$/m);
});

test('what a proxy of this machine passes on is not an own request', () => {
	const request = (remoteAddress: string, headers = {}) => ({ socket: { remoteAddress }, headers }) as IncomingMessage;
	assert.equal(isOwnRequest(request('127.0.0.1')), true);
	assert.equal(isOwnRequest(request('::ffff:127.0.0.1')), true);
	assert.equal(isOwnRequest(request('::1')), true);
	assert.equal(isOwnRequest(request('10.0.0.1')), false);
	assert.equal(isOwnRequest(request('127.0.0.1', { 'x-forwarded-for': '1.2.3.4' })), false);
});
