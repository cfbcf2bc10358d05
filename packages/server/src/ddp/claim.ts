import type { UserId } from '@rookery/protocol/records.ts';
import type { LoginResult } from '../services/contracts.ts';
import type { Session } from './client-session.ts';

/** A session that a client wants back, held for it until it has proved who it is. */
export type Claim = {
	/** Who has to log in; null: nobody was logged in, nothing has to be proved. */
	uid: UserId | null;
	/** Until when, by the monotonic clock. */
	endsAt: number;
	/**
	 * Brings the session and the socket together: what the client may have missed is sent, then events go on.
	 *
	 * @returns The session that goes on; null when it could not be had whole.
	 */
	adopt(session: Session, login: LoginResult | null): Promise<Session | null> | Session | null;
	/** Nobody may have it: it ends. */
	discard(): void;
	/** The client that wanted it is gone: another may come for it. */
	release(): void;
};
