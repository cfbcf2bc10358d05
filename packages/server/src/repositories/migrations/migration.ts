import type { Db } from 'mongodb';

/**
 * One step of our own schema. It runs once per database, may be cut off anywhere and run again, and never changes what
 * another server stored.
 */
export type Migration = {
	/** Position in the order; recorded in `rookery_migrations` when done. */
	number: number;
	name: string;
	/** @returns What could not be done though the server works without it: reported, recorded, not fatal. */
	run(db: Db): Promise<string[]>;
};
