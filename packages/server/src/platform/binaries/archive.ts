import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { Unzip, UnzipInflate, type UnzipFile } from 'fflate';

/** What an archive is not: whole, of a known kind, with the file in it. */
export class BadArchive extends Error {
	override name = 'BadArchive';
}

const chunkBytes = 64 * 1024;

/** SHA-256 of a file, in hexadecimal. */
export async function sha256Of(path: string): Promise<string> {
	const hash = createHash('sha256');
	for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
	return hash.digest('hex');
}

/**
 * Unpacks one file out of a zip (a wheel is one) or a gzipped tar, a piece at a time: memory stays small however large the
 * file is.
 *
 * @param member End of its path inside the archive.
 * @param target Is written over.
 * @param onBytes Hears how many bytes of the archive have been read.
 * @throws BadArchive
 */
export async function extractMember(
	archive: string,
	member: string,
	target: string,
	onBytes: (bytes: number) => void = () => undefined,
): Promise<void> {
	const output = await open(target, 'w');
	try {
		const extract = /\.(tgz|tar\.gz)$/.test(archive) ? extractFromTar : extractFromZip;
		const isFound = await extract(archive, member, output, onBytes);
		if (!isFound) throw new BadArchive(`there is no ${member} in it`);
		await output.sync();
	} finally {
		await output.close();
	}
}

type Extract = (
	archive: string,
	member: string,
	output: FileHandle,
	onBytes: (bytes: number) => void,
) => Promise<boolean>;

const extractFromZip: Extract = async (archive, member, output, onBytes) => {
	let pieces: Uint8Array[] = [];
	let state: 'searching' | 'reading' | 'complete' = 'searching';
	let failure: Error | null = null;
	const unzip = new Unzip((file: UnzipFile) => {
		if (state !== 'searching' || !file.name.endsWith(member)) return;
		state = 'reading';
		file.ondata = (error, piece, isLast) => {
			if (error !== null) failure = error;
			else pieces.push(piece);
			if (isLast) state = 'complete';
		};
		file.start();
	});
	unzip.register(UnzipInflate);
	let bytes = 0;
	try {
		for await (const chunk of createReadStream(archive, { highWaterMark: chunkBytes })) {
			unzip.push(chunk as Buffer);
			if (failure !== null) throw failure as Error;
			for (const piece of pieces) await output.writeFile(piece);
			pieces = [];
			onBytes((bytes += (chunk as Buffer).length));
			if (state === ('complete' as typeof state)) return true;
		}
	} catch (error) {
		throw new BadArchive(error instanceof Error ? error.message : String(error));
	}
	if (state === ('reading' as typeof state)) throw new BadArchive('it ends too early');
	return false;
};

/** A tar is blocks of 512 bytes: a header with name and size, the file, zeros up to the next block. */
const extractFromTar: Extract = async (archive, member, output, onBytes) => {
	const file = createReadStream(archive, { highWaterMark: chunkBytes });
	const plain = file.pipe(createGunzip({ chunkSize: chunkBytes }));
	file.once('error', (error) => plain.destroy(error));
	let waiting: Buffer = Buffer.alloc(0);
	let left = 0;
	let padding = 0;
	let isWanted = false;
	try {
		for await (const chunk of plain) {
			onBytes(file.bytesRead);
			waiting = waiting.length === 0 ? (chunk as Buffer) : Buffer.concat([waiting, chunk as Buffer]);
			for (;;) {
				if (left > 0) {
					const piece = waiting.subarray(0, left);
					if (isWanted) await output.writeFile(piece);
					left -= piece.length;
					waiting = waiting.subarray(piece.length);
					if (left > 0) break;
					if (isWanted) return true;
				}
				if (waiting.length < padding + 512) break;
				const header = waiting.subarray(padding, padding + 512);
				waiting = waiting.subarray(padding + 512);
				left = tarNumber(header, 124, 12);
				padding = (512 - (left % 512)) % 512;
				isWanted = isTarFile(header) && tarName(header).endsWith(member);
			}
		}
	} catch (error) {
		throw new BadArchive(error instanceof Error ? error.message : String(error));
	} finally {
		file.destroy();
		plain.destroy();
	}
	if (isWanted) throw new BadArchive('it ends too early');
	return false;
};

function tarText(header: Buffer, start: number, length: number): string {
	const end = header.indexOf(0, start);
	return header.toString('utf8', start, end === -1 ? start + length : Math.min(end, start + length));
}

function tarNumber(header: Buffer, start: number, length: number): number {
	const value = Number.parseInt(tarText(header, start, length).trim() || '0', 8);
	if (!Number.isSafeInteger(value) || value < 0) throw new BadArchive('it is no tar archive');
	return value;
}

function tarName(header: Buffer): string {
	const prefix = tarText(header, 345, 155);
	const name = tarText(header, 0, 100);
	return prefix === '' || header.toString('latin1', 257, 262) !== 'ustar' ? name : `${prefix}/${name}`;
}

function isTarFile(header: Buffer): boolean {
	return header[156] === 0x30 || header[156] === 0;
}
