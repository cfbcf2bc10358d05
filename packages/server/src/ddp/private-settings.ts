import { decodeBody } from '@rookery/protocol/envelope.ts';
import type { UserId } from '@rookery/protocol/records.ts';
import { eventFrame } from './answers.ts';
import type { DdpContext, Session } from './context.ts';

/** The event whose receivers depend on which setting changed. */
export const privateSettings = 'private-settings-changed';

/**
 * Settings that are not public go to those who may see all of them, and to those who manage selected ones only when this
 * is one of theirs. Asked anew for each change; changes leave in their order.
 *
 * @see realtime contract 4.4
 */
export function privateSettingDelivery(context: DdpContext) {
	let last = Promise.resolve();

	async function deliver(body: Uint8Array): Promise<void> {
		const key = `notify-logged/${privateSettings}`;
		const listening = new Map<UserId, Session[]>();
		for (const session of context.sessions) {
			if (session.actor === null || !context.fanout.listens(key, session)) continue;
			const { uid } = session.actor;
			listening.set(uid, [...(listening.get(uid) ?? []), session]);
		}
		const id = settingId(decodeBody({ body }));
		const frame = eventFrame('notify-logged', privateSettings, body);
		await Promise.all(
			[...listening].map(async ([uid, sessions]) => {
				try {
					if (!(await maySee(context, uid, id))) return;
				} catch (error) {
					context.log.warn({ err: error }, 'rights could not be judged: the socket is closed');
					for (const session of sessions) session.giveUp(1013, 'TRY_AGAIN_LATER');
					return;
				}
				for (const session of sessions) {
					// He may have logged out meanwhile, or lost the subscription.
					if (session.actor?.uid === uid && context.fanout.listens(key, session)) session.tell(frame, key);
				}
			}),
		);
	}

	return (body: Uint8Array): void => {
		last = last
			.then(() => deliver(body))
			.catch((error: unknown) => {
				context.log.error({ err: error }, 'a changed setting could not be told');
			});
	};
}

async function maySee({ authorization }: DdpContext, uid: UserId, id: string | null): Promise<boolean> {
	if (await authorization.hasAny(uid, ['view-privileged-setting', 'edit-privileged-setting'])) return true;
	return id !== null && authorization.hasAll(uid, ['manage-selected-settings', `change-setting-${id}`]);
}

function settingId(args: unknown): string | null {
	const record: unknown = Array.isArray(args) ? args[1] : null;
	const id: unknown = typeof record === 'object' && record !== null ? (record as { _id?: unknown })._id : null;
	return typeof id === 'string' ? id : null;
}
