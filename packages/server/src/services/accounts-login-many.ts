import { ClientError } from '@rookery/protocol/errors.ts';
import type { Log } from '../platform/log.ts';
import type { AccountsApi, LoginOutcome } from './contracts.ts';

/** Logins in one call. */
const maxLogins = 500;

/**
 * Several logins in one call. All begin in the same turn, so that their tokens are looked up by one read.
 *
 * @param login The pipeline that every login goes through.
 */
export function manyLogins(login: AccountsApi['login'], log: Log): AccountsApi['loginMany'] {
	async function outcomeOf(...args: Parameters<typeof login>): Promise<LoginOutcome> {
		try {
			return { result: await login(...args) };
		} catch (error) {
			if (!(error instanceof ClientError)) {
				log.error({ event: 'unhandled', err: error }, 'a login of several failed');
				return { refused: { code: 500, reason: 'Internal server error' } };
			}
			const { code, reason, details } = error;
			return {
				refused: { code, ...(reason === undefined ? {} : { reason }), ...(details === undefined ? {} : { details }) },
			};
		}
	}

	return async (logins) => {
		if (logins.length > maxLogins) throw new ClientError(400, 'Match failed');
		return Promise.all(logins.map(({ options, connection }) => outcomeOf(options, connection)));
	};
}
