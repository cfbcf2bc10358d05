/** The offer as `ws` is told it: it answers with both `..._no_context_takeover`, which a server may always ask for. */
export const plainDeflateOffer = 'permessage-deflate';

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

const allowedParameters: ReadonlyMap<string, RegExp> = new Map([
	['server_no_context_takeover', /^$/],
	['client_no_context_takeover', /^$/],
	['client_max_window_bits', /^("?)(|8|9|1[0-5])\1$/],
]);

/**
 * Whether a client offers a compression that our shared frames fit: each is one stream with the largest window, so an offer
 * that asks for a smaller one of the server's does not.
 *
 * @param header `Sec-WebSocket-Extensions`; one that is not understood offers nothing, it is no error.
 * @see RFC 7692, 7.1
 */
export function offersDeflate(header: string | undefined): boolean {
	if (header === undefined || header.length > 1024) return false;
	return header.split(',').some((offer) => {
		const [name, ...parameters] = offer.split(';').map((part) => part.trim());
		if (name !== plainDeflateOffer) return false;
		const names = new Set<string>();
		return parameters.every((parameter) => {
			const [key = '', value = ''] = parameter.split('=', 2).map((part) => part.trim());
			if (!token.test(key) || names.has(key)) return false;
			names.add(key);
			return allowedParameters.get(key)?.test(value) === true;
		});
	});
}
