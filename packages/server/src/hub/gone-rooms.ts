import type { RoomId } from '@rookery/protocol/records.ts';
import type { Change } from '../repositories/watch-change.ts';

/** Deleted rooms that are remembered. */
const maxRooms = 10_000;

/** Rooms deleted a short time ago: the deletion of their messages is no news. */
export function goneRooms() {
	const gone = new Set<RoomId>();
	return {
		note({ collection, operation, id }: Change): void {
			if (collection !== 'rocketchat_room') return;
			gone.delete(id);
			if (operation !== 'delete') return;
			gone.add(id);
			if (gone.size > maxRooms) for (const oldest of gone.keys()) return void gone.delete(oldest);
		},
		has: (rid: RoomId): boolean => gone.has(rid),
	};
}
