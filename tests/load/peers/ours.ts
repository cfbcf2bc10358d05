import { formatPos, noPos } from '@rookery/protocol/pos.ts';
import { actorOf, streamerRig } from '../../../packages/server/src/testing/streamer.ts';
import { benchRoom } from './bench-frame.ts';
import { tokenOf } from './client-script.ts';
import type { Peer, PeerOptions } from './peer.ts';

const hourMs = 3_600_000;

/**
 * The streamer as it runs in production, on the bus of one process: sessions that have logged in and have subscribed
 * through DDP, each event published on the bus as the hub does. Behind it, instead of accounts and authorization, tables.
 */
export async function oursPeer({ clients, deflate = false, maxRecentBytes }: PeerOptions): Promise<Peer> {
	let end: () => Promise<void> = async () => undefined;
	const after = (stop: () => Promise<void>) => {
		end = stop;
	};
	const rig = await streamerRig(
		{ after },
		{
			deflate,
			// Pings would mix with what is counted, and all clients come from a few addresses of this machine.
			limits: {
				pingAfterMs: hourMs,
				proofEveryMs: hourMs,
				maxUnconnectedPerAddress: clients,
				maxAnonymousPerAddress: clients,
				...(maxRecentBytes === undefined ? {} : { maxRecentBytes }),
			},
		},
	);
	const uids = Array.from({ length: clients }, (_, index) => `benchuser${index}`);
	for (const [index, uid] of uids.entries()) rig.tokens.set(tokenOf(index), actorOf(uid, tokenOf(index)));
	rig.rights.rooms.set(benchRoom, new Set(uids));
	let position = 0;
	let prev = noPos;
	return {
		port: rig.port,
		closed: rig.closed,
		send(frames) {
			for (const { args } of frames) {
				const pos = formatPos(1, ++position, 0);
				const part = { kind: 'direct', stream: 'room-messages', event: benchRoom, args } as const;
				rig.bus.publish({ key: `room:${benchRoom}`, parts: [part] }, { epoch: 1, pos, prev });
				prev = pos;
			}
		},
		close: () => end(),
	};
}
