/** The library carries no types: what the tests use of it. */
declare module 'sockjs-client' {
	export default class SockJS {
		constructor(url: string, reserved: null, options: { transports: string });
		addEventListener(name: 'open', listener: () => void): void;
		addEventListener(name: 'message', listener: (event: { data: string }) => void): void;
		addEventListener(name: 'close', listener: (event: { code: number; reason: string }) => void): void;
		send(text: string): void;
		close(): void;
	}
}
