import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { inflateRawSync } from 'node:zlib';
import { WebSocket, type ClientOptions } from 'ws';
import { outFrame } from '../ddp/out-frame.ts';
import { streamerRig, type StreamerRig } from '../testing/streamer.ts';
import { offersDeflate } from './deflate-offer.ts';
import { encodeFrame, payloadOf } from './framing.ts';

test('offers that our shared frames fit, and those they do not', () => {
	for (const [header, isFitting] of [
		['permessage-deflate', true],
		['permessage-deflate; client_max_window_bits', true],
		['permessage-deflate; client_max_window_bits=12; server_no_context_takeover', true],
		['permessage-deflate; client_max_window_bits="9"; client_no_context_takeover', true],
		['x-webkit-deflate-frame, permessage-deflate', true],
		['permessage-deflate; server_max_window_bits=10, permessage-deflate', true],
		['permessage-deflate; server_max_window_bits=10', false],
		['permessage-deflate; server_max_window_bits=15', false],
		['permessage-deflate; client_max_window_bits=16', false],
		['permessage-deflate; unknown', false],
		['permessage-deflate; client_no_context_takeover=1', false],
		['permessage-deflate; client_max_window_bits; client_max_window_bits', false],
		['permessage-deflate; ;', false],
		['x-webkit-deflate-frame', false],
		['', false],
		[undefined, false],
		[`permessage-deflate,${'x'.repeat(2_000)}`, false],
	] as const) {
		assert.equal(offersDeflate(header), isFitting, header);
	}
});

test('a frame is compressed once, as a stream of its own; small and huge ones and what does not shrink stay as they are', () => {
	const text = JSON.stringify({ msg: 'changed', fields: { args: Array(50).fill('the same words again ü') } });
	const frame = outFrame(text);
	const deflated = encodeFrame(frame, 'rawDeflated');
	assert.equal(encodeFrame(frame, 'rawDeflated'), deflated);
	assert.equal(deflated[0], 0xc1);
	assert.ok(deflated.length < text.length / 2);
	const tail = Buffer.from([0, 0, 0xff, 0xff]);
	const inflate = (bytes: Buffer) => inflateRawSync(Buffer.concat([payloadOf(bytes), tail]), { finishFlush: 2 });
	assert.equal(inflate(deflated).toString(), text);
	const sockjs = encodeFrame(frame, 'sockjsDeflated');
	assert.deepEqual(JSON.parse(inflate(sockjs).toString().slice(1)), [text]);
	const small = outFrame('{"msg":"ping"}');
	assert.equal(encodeFrame(small, 'rawDeflated'), encodeFrame(small, 'raw'));
	const huge = outFrame('x'.repeat(200_000));
	assert.equal(encodeFrame(huge, 'rawDeflated'), encodeFrame(huge, 'raw'));
	const noise = Array.from({ length: 40 }, (_, n) => createHash('sha512').update(`${n}`).digest());
	const dense = outFrame(...noise);
	assert.equal(encodeFrame(dense, 'rawDeflated'), encodeFrame(dense, 'raw'));
});

async function opened(t: TestContext, rig: StreamerRig, path: string, options: ClientOptions = {}) {
	const socket = new WebSocket(`ws://${rig.url}${path}`, options);
	t.after(() => socket.terminate());
	socket.on('error', () => undefined);
	const texts: string[] = [];
	const checks = new Set<() => void>();
	socket.on('message', (data: Buffer) => {
		texts.push(data.toString());
		for (const check of checks) check();
	});
	const [response] = (await once(socket, 'upgrade')) as [{ headers: Record<string, string | undefined> }];
	const send = (frame: object) => socket.send(JSON.stringify(frame));
	if (socket.readyState !== WebSocket.OPEN) await once(socket, 'open');
	const next = (part: string) =>
		new Promise<string>((resolve) => {
			const check = () => {
				const found = texts.find((text) => text.includes(part));
				if (found !== undefined) resolve(found);
			};
			checks.add(check);
			check();
		});
	return { socket, send, next, extension: response.headers['sec-websocket-extensions'] };
}

const connect = { msg: 'connect', version: '1', support: ['1'] };
const call = { msg: 'method', id: '1', method: 'anything', params: [] };

test('compression is off unless it is configured', async (t) => {
	const rig = await streamerRig(t);
	const { socket, extension } = await opened(t, rig, '/websocket', { perMessageDeflate: true });
	assert.deepEqual([socket.extensions, extension], ['', undefined]);
});

test('with compression: both sides start anew with each message, large frames arrive whole, control frames as well', async (t) => {
	const rig = await streamerRig(t, { deflate: true });
	const text = 'many words, again and again. '.repeat(1_000);
	rig.core.answer = async () => text;
	for (const path of ['/websocket', '/sockjs/000/abc/websocket']) {
		const client = await opened(t, rig, path, { perMessageDeflate: { threshold: 0 } });
		assert.equal(client.extension, 'permessage-deflate; server_no_context_takeover; client_no_context_takeover', path);
		const wrapped = (frame: object) => (path === '/websocket' ? frame : [JSON.stringify(frame)]);
		client.send(wrapped(connect));
		client.send(wrapped(call));
		const result = await client.next('"result');
		assert.ok(result.includes(text));
		client.socket.ping('still there?');
		const [data] = (await once(client.socket, 'pong')) as [Buffer];
		assert.equal(data.toString(), 'still there?');
		client.send(wrapped({ msg: 'ping', id: 'after' }));
		await client.next('after');
	}
});

test('an offer that does not fit, or makes no sense, opens a plain socket', async (t) => {
	const rig = await streamerRig(t, { deflate: true });
	for (const offer of ['permessage-deflate; server_max_window_bits=9', 'permessage-deflate; ===', ';;;']) {
		const client = await opened(t, rig, '/websocket', {
			perMessageDeflate: false,
			headers: { 'sec-websocket-extensions': offer },
		});
		assert.equal(client.extension, undefined);
		client.send(connect);
		await client.next('"connected"');
	}
});

test('what a small compressed message grows to counts: 1009 above the limit, which a login raises', async (t) => {
	const rig = await streamerRig(t, { deflate: true, limits: { maxMessageBytes: 200_000 } });
	const big = (bytes: number) => ({ msg: 'ping', id: 'big', filler: ' '.repeat(bytes) });
	const anonymous = await opened(t, rig, '/websocket', { perMessageDeflate: { threshold: 0 } });
	anonymous.send(connect);
	anonymous.send(big(100_000));
	const [code] = (await once(anonymous.socket, 'close')) as [number];
	assert.equal(code, 1009);
	const logged = await rig.login('ana');
	logged.send(big(150_000));
	await logged.next((frame) => frame.msg === 'pong' && frame.id === 'big');
	logged.send(big(210_000));
	assert.equal((await logged.closed).code, 1009);
});
