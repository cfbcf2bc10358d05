import type { LoginServiceRecord, LoginServiceRepository } from '../repositories/login-services.ts';
import type { LoginService } from './settings.ts';

/** Fields of a login service that are nobody's business, whatever a provider calls them. */
const secretField = /secret|private|password|^key$/i;

/** A login service as everybody may see it. */
export function visibleLoginService(record: LoginServiceRecord): LoginService {
	const visible = Object.entries(record).filter(([field]) => !secretField.test(field));
	return Object.assign({ _id: record._id, service: record.service }, Object.fromEntries(visible));
}

/**
 * Reads how people can log in besides a password, without anything secret. Who asks in one turn of the event loop shares a
 * read: old clients ask with every connection.
 */
export function visibleLoginServices(repository: LoginServiceRepository): () => Promise<LoginService[]> {
	let next: Promise<LoginService[]> | null = null;

	async function read(): Promise<LoginService[]> {
		await new Promise<void>((resolve) => {
			setImmediate(resolve);
		});
		next = null;
		return (await repository.all()).map(visibleLoginService);
	}

	return () => (next ??= read());
}
