import { holderOf } from './read-rules.ts';
import { stream, type ReadRule } from './stream.ts';

const agents = holderOf(['view-l-room']);

/** Roles that see the queues of all departments. */
const overseers = ['livechat-manager', 'livechat-monitor'];

/**
 * Agents; of a department those who oversee it, of an agent's own queue himself. There are no departments yet that one
 * could be a member of.
 */
const queueReaders: ReadRule = {
	...agents,
	async mayRead(request) {
		const { actor, event } = request;
		if (actor === null) return false;
		if (event.startsWith('department/') && !actor.roles.some((role) => overseers.includes(role))) return false;
		if (event.startsWith('agent/') && event !== `agent/${actor.uid}`) return false;
		return agents.mayRead(request);
	},
};

/** `stream-livechat-inquiry-queue-observer`: waiting conversations, for agents. @see realtime contract 4.12 */
export const livechatInquiryQueue = stream('livechat-inquiry-queue-observer', {
	read: queueReaders,
	write: 'nobody',
});
