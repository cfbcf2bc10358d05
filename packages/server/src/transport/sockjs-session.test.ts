import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { test } from 'node:test';
import { connect, fallbackRig, greeting, ping, pong } from '../testing/fallback.ts';

test('a second receiver at the same time is refused with 2010, and the first goes on', async (t) => {
	const { open, poll, waitingPoll, say, connected } = await fallbackRig(t);
	await connected('s6');
	const waiting = await waitingPoll('s6');
	assert.equal(await poll('s6'), 'c[2010,"Another connection still open"]\n');
	await say('s6', ping('x'));
	assert.equal(await waiting.text, `a[${pong('x')}]\n`);
	const stream = await open('POST', '/sockjs/000/s6/xhr_streaming');
	await stream.until((text) => text.length > 2048);
	assert.equal(await poll('s6'), 'c[2010,"Another connection still open"]\n');
	stream.abort();
});

test('after a close every receiver gets the same close frame, until the session is forgotten', async (t) => {
	const { rig, open, poll, say, whole } = await fallbackRig(t);
	assert.equal(await poll('s7'), 'o\n');
	assert.equal(await poll('s7'), greeting);
	const waiting = open('POST', '/sockjs/000/s7/xhr');
	for (let count = 0; count < 3; count++) await say('s7', ping('early'));
	const close = 'c[1002,"CLOSE_PROTOCOL_ERROR"]\n';
	let texts = await (await waiting).whole;
	while (!texts.endsWith(close)) texts += await poll('s7');
	assert.match(texts, /Must connect first/);
	for (let count = 0; count < 3; count++) assert.equal(await poll('s7'), close);
	const stream = await open('GET', '/sockjs/000/s7/eventsource');
	assert.equal(await stream.whole, `\r\ndata: ${close.trim()}\r\n\r\n`);
	assert.equal((await whole('POST', '/sockjs/000/s7/xhr_send', '["x"]'))[0], 204);
	assert.deepEqual(rig.closed, [1002]);
	rig.clock.advance(61_000);
	let last = close;
	while (last === close) last = await poll('s7');
	assert.equal(last, 'o\n', 'the name is free again');
});

test('a session without a receiver is kept for 60 s, then it ends', async (t) => {
	const { rig, poll, connected, say, whole } = await fallbackRig(t, { limits: { pingAfterMs: 200_000 } });
	await connected('s8');
	rig.clock.advance(55_000);
	await say('s8', ping('x'));
	assert.equal(await poll('s8'), `a[${pong('x')}]\n`);
	rig.clock.advance(55_000);
	assert.equal((await whole('POST', '/sockjs/000/s8/xhr_send', '[]'))[0], 204);
	assert.deepEqual(rig.closed, []);
	rig.clock.advance(6_000);
	while (rig.closed.length === 0) await whole('GET', '/sockjs/info');
	assert.deepEqual(rig.closed, [1006]);
	assert.equal((await whole('POST', '/sockjs/000/s8/xhr_send', '[]'))[0], 404);
});

test('a client that hears nothing gets a heartbeat after 25 s: polling, it ends the answer; streaming, it does not', async (t) => {
	const { rig, open, waitingPoll, say, connected } = await fallbackRig(t, { limits: { pingAfterMs: 200_000 } });
	await connected('s9');
	const waiting = await waitingPoll('s9');
	rig.clock.advance(24_000);
	await say('s9', connect);
	assert.match(await waiting.text, /Already connected/, 'no heartbeat yet');
	const stream = await open('POST', '/sockjs/000/s9/xhr_streaming');
	await stream.until((text) => text.length === 2049);
	rig.clock.advance(26_000);
	await stream.until((text) => text.endsWith('\nh\n'));
	await say('s9', ping('x'));
	assert.equal(await stream.until((text) => text.endsWith(']\n')), `${'h'.repeat(2048)}\nh\na[${pong('x')}]\n`);
	stream.abort();
	await connected('s10');
	const idle = await waitingPoll('s10');
	rig.clock.advance(26_000);
	assert.equal(await idle.text, 'h\n');
});

test('a poll that the client gives up loses nothing: what waits goes to the next one', async (t) => {
	const { rig, open, poll, waitingPoll, say, connected } = await fallbackRig(t);
	await connected('s11');
	(await waitingPoll('s11')).give();
	const next = open('POST', '/sockjs/000/s11/xhr').then((answer) => answer.whole);
	await say('s11', ping('a'));
	let texts = await next;
	while (!texts.includes(pong('a'))) texts += await poll('s11');
	assert.deepEqual(rig.closed, []);
});

test('an answer that did not go out whole is sent again to a client that asks again', async (t) => {
	const { rig, poll, say, connected } = await fallbackRig(t);
	// More than the system takes for a client that does not read.
	const text = 'x'.repeat(14_000_000);
	rig.core.answer = async () => text;
	await connected('s20');
	await say('s20', { msg: 'method', id: '1', method: 'anything', params: [] });
	const stuck = connectTcp(rig.port, '127.0.0.1');
	const cut = new Promise((resolve) => stuck.on('error', () => undefined).once('close', resolve));
	stuck.write('POST /sockjs/000/s20/xhr HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n');
	await once(stuck, 'readable');
	let texts = '';
	while (!texts.includes('updated')) texts += await poll('s20');
	assert.ok(texts.includes(text) && texts.indexOf('result') < texts.indexOf('updated'));
	stuck.resume();
	await cut;
	assert.deepEqual(rig.closed, []);
});

test('a streaming answer that breaks ends the session with 1002: nobody knows what arrived', async (t) => {
	const { rig, open, poll } = await fallbackRig(t);
	const stream = await open('POST', '/sockjs/000/s12/xhr_streaming');
	await stream.until((text) => text.endsWith(greeting));
	stream.abort();
	while (rig.closed.length === 0) await fetch(`http://${rig.url}/sockjs/info`);
	assert.deepEqual(rig.closed, [1002]);
	assert.equal(await poll('s12'), 'c[1002,"Connection interrupted"]\n');
	assert.equal(await poll('s12'), 'c[1002,"Connection interrupted"]\n');
});

test('a polling client that does not fetch what piles up is closed with 4429', async (t) => {
	const { rig, poll, say, connected } = await fallbackRig(t);
	rig.rights.rooms.set('r', new Set([null]));
	await connected('s13');
	await say('s13', { msg: 'sub', id: 'm', name: 'stream-room-messages', params: ['r', false] });
	assert.match(await poll('s13'), /ready/);
	const filler = 'x'.repeat(60_000);
	for (let n = 0; n < 20; n++) {
		rig.bus.publish({
			key: 'room:r',
			parts: [{ kind: 'direct', stream: 'room-messages', event: 'r', args: [{ n, filler }] }],
		});
	}
	while (rig.closed.length === 0) await fetch(`http://${rig.url}/sockjs/info`);
	assert.deepEqual(rig.closed, [4429]);
	assert.equal(await poll('s13'), 'c[4429,"SLOW_CONSUMER"]\n');
});

test('a full or stopping server refuses new sessions with 503 and Retry-After, and ends the others with 1012', async (t) => {
	const { rig, open, poll, connected } = await fallbackRig(t, { fallbackLimits: { maxSessions: 2 } });
	await connected('s16');
	await connected('s17');
	const refused = await open('POST', '/sockjs/000/s18/xhr');
	assert.deepEqual([refused.status, Number(refused.headers['retry-after']) > 0], [503, true]);
	const stream = await open('POST', '/sockjs/000/s17/xhr_streaming');
	await rig.ddp.stop();
	assert.match(await stream.whole, /c\[1012,"SERVICE_RESTART"\]\n$/);
	assert.equal(await poll('s16'), 'c[1012,"SERVICE_RESTART"]\n');
});

test('a stopping server takes no new session', async (t) => {
	const { rig, open } = await fallbackRig(t);
	await rig.ddp.stop();
	const refused = await open('POST', '/sockjs/000/s19/xhr');
	assert.deepEqual([refused.status, Number(refused.headers['retry-after']) > 0], [503, true]);
});
