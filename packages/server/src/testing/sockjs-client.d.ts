/** The library carries no types: what the tests use of it. */
declare module 'sockjs-client' {
	export default class SockJS {
		constructor(url: string, reserved: null, options: { transports: string });
		onopen: (() => void) | null;
		onmessage: ((event: { data: string }) => void) | null;
		onclose: ((event: { code: number; reason: string }) => void) | null;
		send(text: string): void;
		close(): void;
	}
}
