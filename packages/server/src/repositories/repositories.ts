import type { Db } from 'mongodb';
import { accessFactRepository } from './access-facts.ts';
import { firstAdminRepository } from './first-admin.ts';
import { initialUserRepository } from './initial-users.ts';
import { loginAttemptRepository } from './login-attempts.ts';
import { loginServiceRepository } from './login-services.ts';
import { messageRepository } from './messages.ts';
import { permissionRepository } from './permissions.ts';
import { roleRepository } from './roles.ts';
import { roomMemberRepository } from './room-members.ts';
import { roomPostRepository } from './room-posts.ts';
import { roomRepository } from './rooms.ts';
import { settingRepository } from './settings.ts';
import { streamerReads } from './streamer-reads.ts';
import { subscriptionReadRepository } from './subscription-reads.ts';
import { subscriptionRepository } from './subscriptions.ts';
import { trashRepository } from './trash.ts';
import { userCredentialRepository } from './user-credentials.ts';
import { userStatusRepository } from './user-status.ts';
import { userRepository } from './users.ts';

/** Every repository on one database: plain objects of functions, nothing is opened. */
export function repositoriesOf(db: Db) {
	return {
		attempts: loginAttemptRepository(db),
		credentials: userCredentialRepository(db),
		facts: accessFactRepository(db),
		firstAdmin: firstAdminRepository(db),
		initialUsers: initialUserRepository(db),
		loginServices: loginServiceRepository(db),
		members: roomMemberRepository(db),
		messages: messageRepository(db),
		permissions: permissionRepository(db),
		posts: roomPostRepository(db),
		reads: subscriptionReadRepository(db),
		roles: roleRepository(db),
		rooms: roomRepository(db),
		settings: settingRepository(db),
		streamer: streamerReads(db),
		subscriptions: subscriptionRepository(db),
		trash: trashRepository(db),
		users: userRepository(db),
		userStatuses: userStatusRepository(db),
	};
}

export type Repositories = ReturnType<typeof repositoriesOf>;
