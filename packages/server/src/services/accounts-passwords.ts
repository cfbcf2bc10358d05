import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { hash, parseOptions, verify } from '@node-rs/bcrypt';
import { ClientError } from '@rookery/protocol/errors.ts';

/** Costs of stored hashes that are verified: a higher one would occupy a core for seconds. */
const verifiableCosts = { lowest: 4, highest: 15 };

/** Salt and digest that belong to no password: verifying against them costs what a real hash costs. */
const dummyTail = 'abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZabcde';

/** Lower-case hex SHA-256: the form in which passwords are hashed and sent. */
export function passwordDigest(plain: string): string {
	return createHash('sha256').update(plain, 'utf8').digest('hex');
}

/** The stored form of a plain password. For start-up data; running services use `passwordHasher`. */
export function hashPassword(plain: string, cost = 12): Promise<string> {
	return hash(passwordDigest(plain), { cost });
}

/**
 * Hashes and verifies passwords off the event loop, a few at once.
 *
 * @param cost bcrypt cost of new hashes, 4-15.
 * @param cores How many run at once. Default: the machine's.
 * @param queueLimit How many may wait.
 * @see security contract, SEC-AN-1 and SEC-AN-2
 */
export function passwordHasher({ cost = 12, cores = availableParallelism(), queueLimit = 100 }) {
	const waiting: (() => void)[] = [];
	let running = 0;

	/** @throws ClientError `error-service-unavailable` when the queue is full: nothing was found out. */
	async function inTurn<T>(work: () => Promise<T>): Promise<T> {
		if (running >= cores) {
			if (waiting.length >= queueLimit) throw new ClientError('error-service-unavailable', 'Service Unavailable');
			await new Promise<void>((resolve) => waiting.push(resolve));
		} else {
			running += 1;
		}
		try {
			return await work();
		} finally {
			const next = waiting.shift();
			if (next === undefined) running -= 1;
			else next();
		}
	}

	/** A failure takes as long as one against a hash of the target cost, whatever was stored. */
	async function verifyEqually(digest: string, stored: string | null): Promise<boolean> {
		const known = stored === null ? null : costOf(stored);
		if (stored === null || known === null) {
			await verify(digest, `$2b$${String(cost).padStart(2, '0')}$${dummyTail}`);
			return false;
		}
		const fits: unknown = await verify(digest, stored);
		if (fits === true) return true;
		for (let rest = known; rest < cost; rest++)
			await verify(digest, `$2b$${String(rest).padStart(2, '0')}$${dummyTail}`);
		return false;
	}

	return {
		/**
		 * Whether a digest is that of the stored hash.
		 *
		 * @param stored null for an unknown user or one without a password: takes the same time and is false.
		 */
		matches(digest: string, stored: string | null): Promise<boolean> {
			return inTurn(() => verifyEqually(digest, stored));
		},
		/** The stored form of a digest. */
		hash(digest: string): Promise<string> {
			return inTurn(() => hash(digest, { cost }));
		},
		/** Whether a hash is weaker than those made now. */
		isWeak(stored: string): boolean {
			const known = costOf(stored);
			return known !== null && known < cost;
		},
	};
}

export type PasswordHasher = ReturnType<typeof passwordHasher>;

/** The cost a stored hash names; null when it is no hash, or one too costly to verify. */
function costOf(stored: string): number | null {
	try {
		const { cost } = parseOptions(stored);
		return cost >= verifiableCosts.lowest && cost <= verifiableCosts.highest ? cost : null;
	} catch {
		return null;
	}
}
