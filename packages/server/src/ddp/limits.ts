/** Bounds and times of the DDP side. Times in ms. Tests shorten them. */
export type DdpLimits = {
	connectTimeoutMs: number;
	/** Silence after which the client is pinged, and further silence after which the socket is closed. */
	pingAfterMs: number;
	closeAfterPingMs: number;
	/** Messages before `connect` after which the socket is closed, and unparsable ones. */
	maxEarlyFrames: number;
	maxBrokenFrames: number;
	/** Frames that may wait for their turn behind `connect`, a login or a full pipeline. */
	maxQueuedMethods: number;
	maxQueuedSubs: number;
	maxRunningMethods: number;
	maxSubs: number;
	maxWatchedUsers: number;
	/** How long a `sub` that only a login could allow waits for one. */
	loginWaitMs: number;
	/** Logins by token: calls to accounts at once, and logins in one of them. */
	maxResumeCalls: number;
	maxResumesPerCall: number;
	/** How long logins by token are gathered after a call has left; up to the second number while many come. */
	resumeGatherMs: number;
	resumeGatherMaxMs: number;
	/** Logins by token that may wait, and those with which no further socket is taken. */
	maxQueuedResumes: number;
	crowdedResumes: number;
	/** Other logins on their way to accounts, and those that may wait. */
	maxRunningLogins: number;
	maxQueuedLogins: number;
	/** Longest wait of any login for its turn. */
	loginQueueMs: number;
	/** Second proofs of tokens: how long they are gathered, and how many travel in one call. */
	proofGatherMs: number;
	maxProofsPerCall: number;
	maxSocketsPerUser: number;
	maxUnconnectedPerAddress: number;
	maxAnonymousPerAddress: number;
	/** Sockets of the whole process. */
	maxSockets: number;
	/** Largest message of a client once it has logged in, in bytes; before: the transport's own limit. */
	maxMessageBytes: number;
	anonymousMessageBytes: number;
	/** How long a key of the bus stays subscribed after its last listener. */
	interestGraceMs: number;
	/** Time between `force_logout` and the end of the socket. */
	revokeCloseMs: number;
	/** Over how long sockets are closed on a drain, and after a gap of the bus. */
	drainSpreadMs: number;
	gapSpreadMs: number;
	/** Time without the bus after which logged-in sockets are closed. */
	busLostMs: number;
	/** Least time between two proofs of what a client has received. */
	proofEveryMs: number;
	/** How long a session goes on collecting without a socket, and how long its client may take to log in. */
	detachedMs: number;
	resumeLoginMs: number;
	/** Sessions without a socket: of the process, and of one user. */
	maxDetached: number;
	maxDetachedPerUser: number;
	/** What was sent lately: its age and its bytes. Answers that are kept, in bytes. */
	recentMs: number;
	maxRecentBytes: number;
	/** What a client that comes back is sent again at most, in bytes. */
	maxReplayBytes: number;
	maxAnswerBytes: number;
	/** Time another streamer has to answer about a session. */
	handOverMs: number;
	/** How long a draining streamer waits for others to take its sessions over. */
	lingerMs: number;
	/** Rights are judged again this long after a change, because authorization may hear of it later than we do. */
	rejudgeMs: number;
	/** With more listeners than this an event for everybody leaves in portions, over so long. */
	spreadAbove: number;
	spreadOverMs: number;
};

/** @see security contract 4; realtime contract 1.7, 2.3, 2.4 */
export const ddpLimits: DdpLimits = {
	connectTimeoutMs: 10_000,
	pingAfterMs: 25_000,
	closeAfterPingMs: 30_000,
	maxEarlyFrames: 3,
	maxBrokenFrames: 10,
	maxQueuedMethods: 200,
	maxQueuedSubs: 2_000,
	maxRunningMethods: 32,
	maxSubs: 1_000,
	maxWatchedUsers: 5_000,
	loginWaitMs: 1_000,
	maxResumeCalls: 4,
	maxResumesPerCall: 200,
	resumeGatherMs: 5,
	resumeGatherMaxMs: 20,
	maxQueuedResumes: 5_000,
	crowdedResumes: 2_500,
	maxRunningLogins: 16,
	maxQueuedLogins: 200,
	loginQueueMs: 15_000,
	proofGatherMs: 50,
	maxProofsPerCall: 200,
	maxSocketsPerUser: 200,
	maxUnconnectedPerAddress: 1_000,
	maxAnonymousPerAddress: 10_000,
	maxSockets: 50_000,
	maxMessageBytes: 8 * 1024 * 1024,
	anonymousMessageBytes: 64 * 1024,
	interestGraceMs: 5_000,
	revokeCloseMs: 800,
	drainSpreadMs: 10_000,
	gapSpreadMs: 5_000,
	busLostMs: 10_000,
	proofEveryMs: 5_000,
	detachedMs: 60_000,
	resumeLoginMs: 10_000,
	maxDetached: 20_000,
	maxDetachedPerUser: 50,
	recentMs: 60_000,
	maxRecentBytes: 64 * 1024 * 1024,
	maxReplayBytes: 16 * 1024 * 1024,
	maxAnswerBytes: 32 * 1024 * 1024,
	handOverMs: 3_000,
	lingerMs: 5_000,
	rejudgeMs: 600,
	spreadAbove: 1_000,
	spreadOverMs: 1_500,
};
