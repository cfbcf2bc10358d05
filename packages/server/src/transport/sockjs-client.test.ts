import assert from 'node:assert/strict';
import { test } from 'node:test';
import SockJS from 'sockjs-client';
import { streamerRig } from '../testing/streamer.ts';

/** A client of the library, forced to one transport. */
function clientOf(url: string, transport: string) {
	const client = new SockJS(`http://${url}/sockjs`, null, { transports: transport });
	const messages: string[] = [];
	const checks = new Set<() => void>();
	client.addEventListener('message', ({ data }) => {
		messages.push(data);
		for (const check of checks) check();
	});
	return {
		messages,
		send: (frame: object) => client.send(JSON.stringify(frame)),
		close: () => client.close(),
		opened: new Promise<void>((resolve) => client.addEventListener('open', resolve)),
		closed: new Promise<{ code: number; reason: string }>((resolve) => client.addEventListener('close', resolve)),
		async next(fits: (text: string) => boolean): Promise<string> {
			return new Promise((resolve) => {
				const check = () => {
					const found = messages.find(fits);
					if (found === undefined) return;
					checks.delete(check);
					resolve(found);
				};
				checks.add(check);
				check();
			});
		},
	};
}

for (const transport of ['websocket', 'xhr-streaming', 'xhr-polling', 'eventsource']) {
	test(`the sockjs-client library by ${transport}: connects, calls, hears everything in order, is closed`, async (t) => {
		const rig = await streamerRig(t);
		const text = `it\u200d works: 100%25 <b> \u2028 ü ${'x'.repeat(50_000)}`;
		rig.core.answer = async ({ params }) => `${String(params[0])} ${text}`;
		const client = clientOf(rig.url, transport);
		await client.opened;
		client.send({ msg: 'connect', version: '1', support: ['1'] });
		// More than one streaming answer carries.
		for (let n = 0; n < 6; n++) client.send({ msg: 'method', id: `${n}`, method: 'anything', params: [n] });
		await client.next((message) => message === '{"msg":"updated","methods":["5"]}');
		assert.equal(client.messages[0], '{"server_id":"0"}');
		const results = client.messages.map((message) => JSON.parse(message) as { msg: string; result: string });
		assert.deepEqual(
			results.filter(({ msg }) => msg === 'result').map(({ result }) => result),
			[0, 1, 2, 3, 4, 5].map((n) => `${n} ${text}`),
		);
		const [stopped, { code, reason }] = await Promise.all([rig.ddp.stop(), client.closed]);
		assert.deepEqual([stopped, code, reason], [undefined, 1012, 'SERVICE_RESTART']);
	});
}

test('a client of the library that closes a streaming socket is gone at once', async (t) => {
	const rig = await streamerRig(t);
	const client = clientOf(rig.url, 'xhr-streaming');
	await client.opened;
	await client.next((message) => message.includes('server_id'));
	client.close();
	while (rig.closed.length === 0) await fetch(`http://${rig.url}/sockjs/info`);
	assert.deepEqual(rig.closed, [1002]);
});
