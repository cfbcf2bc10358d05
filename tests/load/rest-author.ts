import { Agent, request } from 'node:http';
import type { BenchUser } from './workspace.ts';

/** Posts by REST over kept connections, with as little work on this side as possible. */
export function restAuthor(url: string, user: BenchUser) {
	const agent = new Agent({ keepAlive: true, maxSockets: 16 });
	const { hostname, port } = new URL(url);
	const options = {
		agent,
		hostname,
		port,
		method: 'POST',
		path: '/api/v1/chat.postMessage',
		timeout: 20_000,
	};

	return {
		/** Resolves when the post is acknowledged. */
		post(roomId: string, text: string): Promise<void> {
			const body = JSON.stringify({ roomId, text });
			const headers = {
				'content-type': 'application/json',
				'content-length': Buffer.byteLength(body),
				'x-user-id': user._id,
				'x-auth-token': user.token,
			};
			return new Promise((resolve, reject) => {
				const call = request({ ...options, headers }, (response) => {
					const chunks: Buffer[] = [];
					response.on('data', (chunk: Buffer) => chunks.push(chunk));
					response.on('end', () => {
						if (response.statusCode === 200) resolve();
						else
							reject(new Error(`chat.postMessage: ${response.statusCode} ${Buffer.concat(chunks).toString('utf8')}`));
					});
				});
				call.on('error', reject);
				call.on('timeout', () => call.destroy(new Error('chat.postMessage: no answer in 20 s')));
				call.end(body);
			});
		},
		close: () => agent.destroy(),
	};
}
