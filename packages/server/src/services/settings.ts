import type { Setting } from '@rookery/protocol/records.ts';

/**
 * Reads settings from memory. Every process keeps its own copy, loaded at start and refreshed by the events of
 * `all:settings` (re-read after a gap of the bus).
 */
export type SettingsReader = {
	/** Effective value; undefined for an unknown id. */
	get(id: string): unknown;
	/** The value when it is a boolean, else `fallback`. */
	flag(id: string, fallback?: boolean): boolean;
	number(id: string, fallback: number): number;
	text(id: string, fallback?: string): string;
};

export type SettingsService = SettingsReader & {
	/** Public, not hidden settings, ordered by id. */
	listPublic(): Setting[];
	/** Public settings changed after a date (10 s overlap) and removed since. */
	publicSince(since: Date): Promise<{ update: Setting[]; remove: { _id: string; _deletedAt: Date }[] }>;
	/** Stores a value. Checks the type, not the permission. @throws ClientError `error-invalid-setting-value` */
	set(id: string, value: unknown): Promise<void>;
};
