import { createRequire } from 'node:module';
import { pino, type DestinationStream, type LoggerOptions } from 'pino';
import type pinoPretty from 'pino-pretty';
import { maskText, redactFields } from './redaction.ts';

type LogMethod = {
	/** @param fields `event`: stable name for machines, e.g. `bus.gap`; `err`: an error. Ids, codes, sizes, durations. */
	(fields: object, message?: string): void;
	(message: string): void;
};

/**
 * What the server tells its operator. Fields hold ids, codes, sizes and durations: never texts of messages, passwords,
 * tokens or full URLs; what looks like one is censored.
 *
 * @see security contract, 7 and 11
 */
export type Log = {
	fatal: LogMethod;
	error: LogMethod;
	warn: LogMethod;
	info: LogMethod;
	debug: LogMethod;
	trace: LogMethod;
	/** The same log with these fields on every line. */
	child(fields: object): Log;
	/** Writes out what is still in memory, now. */
	flush(): void;
};

/** The log of a whole process, as `createLog` makes it. */
export type ProcessLog = Log & {
	/** Writes a finished line of another process's log among this one's, as it is or in the form for people. */
	forward(line: string): void;
};

export type LogOptions = {
	level?: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';
	/** Default: `pretty` when standard output is a terminal, else `json`. */
	format?: 'pretty' | 'json' | null;
	/** The process: `rookery` or a service's name. */
	name: string;
	/** Where lines go instead of standard output: for tests. */
	destination?: DestinationStream;
};

/** Makes the log of a process. */
export function createLog({ level = 'info', format, name, destination }: LogOptions): ProcessLog {
	const isPretty = (format ?? (process.stdout.isTTY ? 'pretty' : 'json')) === 'pretty';
	const sink = destination ?? (isPretty ? terminal() : standardOutput());
	const options: LoggerOptions = {
		level,
		name,
		base: { pid: process.pid },
		timestamp: pino.stdTimeFunctions.isoTime,
		formatters: { level: (label) => ({ level: label }), log: redactFields },
		serializers: { err: (error: unknown) => redactFields({ err: pino.stdSerializers.err(error as Error) })['err'] },
		hooks: {
			logMethod(args, method) {
				const masked = args.map((arg: unknown) => (typeof arg === 'string' ? maskText(arg) : arg));
				method.apply(this, masked as typeof args);
			},
		},
	};
	return withFlush(pino(options, sink), sink);
}

/** A log that says nothing: for tests and tools. */
export const silentLog: ProcessLog = createLog({
	level: 'silent',
	name: 'silent',
	destination: { write: () => undefined },
});

function withFlush(logger: pino.Logger, sink: DestinationStream): ProcessLog {
	const flush = (): void => {
		if ('flushSync' in sink && typeof sink.flushSync === 'function') sink.flushSync();
	};
	const forward = (line: string): void => sink.write(`${line}\n`);
	return Object.assign(logger, { flush, forward, child: childOf(logger, sink) }) as ProcessLog;
}

function childOf(logger: pino.Logger, sink: DestinationStream): (fields: object) => Log {
	const make = logger.child.bind(logger);
	return (fields) => withFlush(make(redactFields({ ...fields })), sink);
}

/** Written at once: in order, and complete when the process is killed. */
function standardOutput(): DestinationStream {
	const stream = pino.destination({ dest: 1, sync: true });
	// The reader has gone: the server goes on without its log.
	stream.on('error', () => undefined);
	return stream;
}

/** Coloured lines for people, written at once. Loaded only where it is used. */
function terminal(): DestinationStream {
	const pretty = createRequire(import.meta.url)('pino-pretty') as typeof pinoPretty;
	return pretty({
		colorize: process.stdout.isTTY && process.env['NO_COLOR'] === undefined,
		destination: 1,
		sync: true,
		translateTime: 'SYS:HH:MM:ss',
		ignore: 'pid,event',
		singleLine: true,
	});
}
