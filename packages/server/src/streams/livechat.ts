import { stream } from './stream.ts';

/**
 * `stream-livechat-room`: for a visitor who proves the room's token. There are no omnichannel rooms yet whose token
 * could be proved, so everybody is refused.
 *
 * @see realtime contract 4.11
 */
export const livechatRoom = stream('livechat-room', { access: 'nobody', waitsForLogin: false });

/** `stream-livechat-inquiry-queue-observer`: waiting conversations, for agents. @see realtime contract 4.12 */
export const livechatInquiryQueue = stream('livechat-inquiry-queue-observer', {
	access: 'user',
	mayRead: async ({ actor, event, services }) => {
		if (actor === null || event.startsWith('department/')) return false;
		if (event.startsWith('agent/') && event !== `agent/${actor.uid}`) return false;
		return services.authorization.has(actor.uid, 'view-l-room');
	},
});

/** `stream-canned-responses`: prepared answers of agents. @see realtime contract 4.13 */
export const cannedResponses = stream('canned-responses', {
	access: 'user',
	mayRead: async ({ actor, services }) =>
		actor !== null &&
		services.settings.flag('Canned_Responses_Enable') &&
		services.authorization.has(actor.uid, 'view-canned-responses'),
});
