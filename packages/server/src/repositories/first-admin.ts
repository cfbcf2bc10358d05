import { MongoServerError, type Collection, type Db } from 'mongodb';
import type { Setting, UserId } from '@rookery/protocol/records.ts';

const claimId = 'first-admin';

/**
 * Who becomes the administrator of an empty workspace: collection `rookery_claims`. Of several who register at once,
 * the first to claim it.
 * @see data model, 2 "Creation rules" and 13
 */
export function firstAdminRepository(db: Db) {
	const claims: Collection<{ _id: string; uid: UserId }> = db.collection('rookery_claims');
	const settings: Collection<Setting> = db.collection('rocketchat_settings');

	return {
		/** Claims it for a user. @returns Who holds the claim: this user, or who came first. */
		async claim(uid: UserId): Promise<UserId> {
			const hold = () =>
				claims.findOneAndUpdate({ _id: claimId }, { $setOnInsert: { uid } }, { upsert: true, returnDocument: 'after' });
			const claim = await hold().catch((error: unknown) => {
				// Two upserts at once: the loser finds the winner's claim.
				if (error instanceof MongoServerError && error.code === 11000) return hold();
				throw error;
			});
			return claim?.uid ?? uid;
		},

		/** Takes the claim of a user who no longer exists. @returns Who holds it now. */
		async takeOver(former: UserId, uid: UserId): Promise<UserId> {
			await claims.updateOne({ _id: claimId, uid: former }, { $set: { uid } });
			return (await claims.findOne({ _id: claimId }))?.uid ?? uid;
		},

		/** The setup wizard goes on once there is an administrator. */
		async startWizard(): Promise<void> {
			await settings.updateOne(
				{ _id: 'Show_Setup_Wizard', value: 'pending' },
				{ $set: { value: 'in_progress' }, $currentDate: { _updatedAt: true } },
			);
		},
	};
}

export type FirstAdminRepository = ReturnType<typeof firstAdminRepository>;
