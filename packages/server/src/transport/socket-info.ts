import type { IncomingMessage } from 'node:http';
import type { SocketInfo } from '../ddp/socket.ts';

/** What a request tells of the client whose socket it opens. */
export function socketInfo(
	request: IncomingMessage,
	transport: SocketInfo['transport'],
	clientAddress: string,
): SocketInfo {
	const code = request.headers['x-2fa-code'];
	const method = request.headers['x-2fa-method'];
	return {
		clientAddress,
		userAgent: (request.headers['user-agent'] ?? '').slice(0, 500),
		transport,
		...(typeof code === 'string' ? { twoFactor: { code, method: typeof method === 'string' ? method : '' } } : {}),
	};
}
