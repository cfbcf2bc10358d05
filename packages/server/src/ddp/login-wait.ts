import type { DdpContext, Session } from './context.ts';

/**
 * Resolves with the next login of the connection, with its end, or after the time a sub waits for a login.
 *
 * @see realtime contract 2.5
 */
export function loginOrTimeout({ limits }: DdpContext, session: Session): Promise<void> {
	return new Promise((resolve) => {
		const done = () => {
			clearTimeout(timer);
			session.loginWaiters?.delete(done);
			if (session.loginWaiters?.size === 0) session.loginWaiters = null;
			resolve();
		};
		const timer = setTimeout(done, limits.loginWaitMs);
		(session.loginWaiters ??= new Set()).add(done);
	});
}

/** Wakes everybody who waits for a login of this connection. */
export function wakeLoginWaiters(session: Session): void {
	for (const wake of session.loginWaiters ?? []) wake();
}
