import type { CreateIndexesOptions, IndexDescription } from 'mongodb';

/** Indexes by the full names of their collections. */
export type IndexTable = Readonly<Record<string, readonly IndexDescription[]>>;

type Options = Omit<CreateIndexesOptions, 'sparse' | 'unique'>;

/** An index. Keys as text: `rid, ts:-1` is ascending by `rid`, then descending by `ts`. */
export function index(keys: string, options: CreateIndexesOptions = {}): IndexDescription {
	const key = Object.fromEntries(
		keys.split(', ').map((part) => {
			const [field = '', kind = '1'] = part.split(':');
			return [field, /^-?1$/.test(kind) ? Number(kind) : kind] as const;
		}),
	) as Record<string, 1 | -1>;
	return { key, ...options };
}

/** Of documents that have one of the fields. */
export const sparse = (keys: string): IndexDescription => index(keys, { sparse: true });
/** No two documents may have the same. */
export const unique = (keys: string): IndexDescription => index(keys, { unique: true });
/** No two of the documents that have it may have the same. */
export const uniqueSparse = (keys: string, options: Options = {}): IndexDescription =>
	index(keys, { unique: true, sparse: true, ...options });
/** Removes a document so long after the date in the field. */
export const expiring = (keys: string, expireAfterSeconds: number): IndexDescription =>
	index(keys, { expireAfterSeconds });

/** One day. */
export const daySeconds = 24 * 60 * 60;
