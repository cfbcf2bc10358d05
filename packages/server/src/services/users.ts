import type { UserId } from '@rookery/protocol/records.ts';
import type { PublicUser } from './contracts.ts';

/** Users as records, for core. Credentials are accounts'. */
export type UsersService = {
	findById(uid: UserId): Promise<PublicUser | null>;
	/** Case-insensitive. */
	findByUsername(username: string): Promise<PublicUser | null>;
	/** Users of these names, in any order; unknown ones are left out. */
	findByUsernames(usernames: string[]): Promise<PublicUser[]>;
};
