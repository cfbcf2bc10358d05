import assert from 'node:assert/strict';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import type { TestContext } from 'node:test';
import { streamerRig, type RigOptions } from './streamer.ts';

/** One answer, as far as it has come. */
export type HttpAnswer = {
	status: number;
	headers: IncomingHttpHeaders;
	/** What has arrived. */
	text(): string;
	/** Waits until what has arrived fits. */
	until(fits: (text: string) => boolean): Promise<string>;
	/** The whole of it. */
	whole: Promise<string>;
	/** The client goes away. */
	abort(): void;
};

const patienceMs = 10_000;

/** A streamer, and what a client of its fallback transports does. */
export async function fallbackRig(t: TestContext, options: RigOptions = {}) {
	const rig = await streamerRig(t, options);

	function open(
		method: string,
		path: string,
		body = '',
		headers: Record<string, string> = {},
		signal?: AbortSignal,
	): Promise<HttpAnswer> {
		const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
		const all = { 'content-length': String(Buffer.byteLength(body)), ...headers };
		const request = httpRequest({
			host: '127.0.0.1',
			port: rig.port,
			method,
			path,
			agent: false,
			headers: all,
			signal,
		});
		request.on('error', reject);
		request.on('response', (response) => {
			let text = '';
			const checks = new Set<() => void>();
			response.setEncoding('utf8').on('data', (chunk: string) => {
				text += chunk;
				for (const check of checks) check();
			});
			const whole = new Promise<string>((done, fail) => {
				response.once('end', () => done(text)).once('error', fail);
			});
			whole.catch(() => undefined);
			const until = (fits: (text: string) => boolean) =>
				new Promise<string>((done, fail) => {
					const timer = setTimeout(() => fail(new Error(`not enough: ${text.slice(-200)}`)), patienceMs);
					const check = () => {
						if (!fits(text)) return;
						checks.delete(check);
						clearTimeout(timer);
						done(text);
					};
					checks.add(check);
					check();
				});
			const { statusCode: status = 0, headers: got } = response;
			resolve({ status, headers: got, text: () => text, until, whole, abort: () => request.destroy() });
		});
		request.end(body);
		return promise;
	}

	const whole = async (method: string, path: string, body = '') => {
		const answer = await open(method, path, body);
		return [answer.status, await answer.whole] as const;
	};
	const poll = async (session: string) => (await open('POST', `/sockjs/000/${session}/xhr`)).whole;
	const say = (session: string, ...frames: object[]) =>
		whole('POST', `/sockjs/111/${session}/xhr_send`, JSON.stringify(frames.map((frame) => JSON.stringify(frame))));
	/** A poll that waits: a second one was refused because of it. `give` ends it as a client that goes away does. */
	const waitingPoll = async (session: string) => {
		for (;;) {
			const given = new AbortController();
			const path = `/sockjs/000/${session}/xhr`;
			const first = open('POST', path, '', {}, given.signal).then((answer) => answer.whole);
			const second = poll(session);
			first.catch(() => undefined);
			const isRefused = (text: string) => text.startsWith('c[2010');
			const quick = await Promise.race([
				first.then((text) => ({ first: text })),
				second.then((text) => ({ second: text })),
			]);
			if ('second' in quick && isRefused(quick.second)) return { text: first, give: () => given.abort() };
			assert.ok('first' in quick && isRefused(quick.first));
			await say(session, ping('again'));
			await second;
		}
	};
	/** A polling session that has negotiated; what it was told before is read. */
	const connected = async (session: string) => {
		assert.equal(await poll(session), 'o\n');
		assert.equal(await poll(session), greeting);
		await say(session, connect);
		assert.match(await poll(session), /^a\["\{\\"msg\\":\\"connected\\"/);
	};
	return { rig, open, whole, poll, waitingPoll, say, connected };
}

export const greeting = 'a["{\\"server_id\\":\\"0\\"}"]\n';
export const connect = { msg: 'connect', version: '1', support: ['1'] };
export const ping = (id: string) => ({ msg: 'ping', id });
export const pong = (id: string) => `"{\\"msg\\":\\"pong\\",\\"id\\":\\"${id}\\"}"`;
