/** What is known of one end of this machine's kernel: what stands on disk, and what GET /v1/resets tells of it. */

/** Why a lease is not renewed, or the watchdog not petted, on a node that is alive and writes this down. */
export type TroubleCause =
  /** Corosync says that there is no quorum. */
  | 'quorum-lost'
  /** Corosync does not run, or has ended its connection. */
  | 'corosync-stopped'
  /** Corosync runs and delivers nothing, not even to this node itself. */
  | 'corosync-silent'
  /** Corosync says that there is a quorum, but too few nodes echo the heartbeats. */
  | 'not-echoed'
  /** An assertion failed: the agent does nothing any more. */
  | 'agent-failed'
  /** The agent stood still for longer than its lease, and found so when it went on. */
  | 'agent-stalled'
  /** The others have declared this boot fenced. */
  | 'declared-fenced'
  /** The watchdog does not take the pets. */
  | 'pets-failed'
  /** The agent was started again over a running watchdog, and has got no lease yet. */
  | 'restarted-without-lease';

/** What is going to reset this node unless it passes. Instants are wall-clock milliseconds. */
export interface Trouble {
  readonly cause: TroubleCause;
  /** Since when nothing was renewed. */
  readonly sinceMs: number;
  /** When the pets end, or ended. */
  readonly dueMs: number;
  /** What the agent said of it, one sentence; may be empty. */
  readonly text: string;
}

/** The end of the agent in order. */
export interface Ending {
  /** `agent`: the agent alone; else what the machine was to do. */
  readonly kind: 'agent' | 'reboot' | 'poweroff';
  readonly sinceMs: number;
  /** When the agent had ended; null: it had not. */
  readonly doneMs: number | null;
}

/** The record ahead: what the agent of a boot writes down of itself while it can. */
export interface BootNotes {
  readonly bootId: string;
  /** Start of the agent. */
  readonly startedMs: number;
  /** Last time at which all was as written here. */
  readonly aliveMs: number;
  /** The agent, while it is well, writes at least this often. */
  readonly stampMs: number;
  /** A watchdog counted over this node. */
  readonly armed: boolean;
  /** T_eff: from the last pet to the reset, at most; 0: not known. */
  readonly effectiveMs: number;
  readonly leaseMs: number;
  readonly trouble: Trouble | null;
  readonly ending: Ending | null;
}

/** What a watchdog said before it was armed in the boot after. */
export interface WatchdogWord {
  readonly device: string;
  readonly emulated: boolean;
  /** WDIOF_CARDRESET of its boot status: it says that it has caused the last reset. Null: it cannot be asked. */
  readonly causedReset: boolean | null;
}

/** A reset that an operator has asked a watchdog for, and that has come, or may have. */
export interface ValidatedReset {
  readonly device: string;
  /** When the validation began. */
  readonly beganMs: number;
  /** It is unfinished: until then the watchdog that it had armed may have reset the machine. Null: it has. */
  readonly mayResetUntilMs: number | null;
}

/** The same, with what tells it from every other end: no clock does. */
export interface ValidatedBoot extends ValidatedReset {
  /** Id of the boot that it has ended, or may have. */
  readonly bootBefore: string;
  /** Id of the boot that came after; null: not known. */
  readonly bootAfter: string | null;
}

/** What the kernel left in pstore. */
export interface Dump {
  /** As the kernel calls it, such as `Panic` or `Oops`; empty: the file does not tell. */
  readonly kind: string;
  readonly file: string;
  /** Null: it has no usable time. */
  readonly atMs: number | null;
  /** The line that names the cause; empty: there is none. */
  readonly line: string;
}

export interface LogLine {
  readonly atMs: number | null;
  readonly text: string;
}

/** The end of the log of the boot that ended. */
export interface LogTail {
  /** Where it was read: `journal`, or a file. */
  readonly source: string;
  readonly lines: readonly LogLine[];
  /** Newest time in it; null: it has no times. */
  readonly lastMs: number | null;
  /** It ends as the log of a machine does that goes down in order. */
  readonly orderly: boolean;
  /** What it went down for; null: the log does not tell. */
  readonly target: 'reboot' | 'poweroff' | null;
  /** What the kernel said of a panic; null: nothing. */
  readonly panic: string | null;
  /** The kernel's last word that a watchdog has lost its holder and goes on counting; null: it said no such thing. */
  readonly unheld: LogLine | null;
}

/** Of a source: what it said, or why it said nothing. */
export type Finding<T> = { readonly found: T } | { readonly missing: string };

/** What the others decided about the boot that ended, from the replicated log; times by their leader's clock. */
export interface PeersView {
  /** It left their view; null: not in what is left of the log. */
  readonly lostMs: number | null;
  readonly fenced: { readonly proof: 'takeover' | 'reboot' | 'operator' | null; readonly atMs: number | null } | null;
  /** It had said before that it runs nothing and goes down. */
  readonly releasedMs: number | null;
  readonly backMs: number | null;
}

/** All that speaks about one end of the kernel. Times are wall-clock milliseconds. */
export interface ResetEvidence {
  /** Of the boot that ended; null: not known. */
  readonly endedBootId: string | null;
  /** Of the boot in which the agent found it. */
  readonly bootId: string;
  readonly foundMs: number;
  /** Start of the kernel that came after, by the clock at `foundMs`; null: another boot lies in between. */
  readonly bootedMs: number | null;
  readonly notes: Finding<BootNotes>;
  readonly watchdog: Finding<WatchdogWord>;
  /** At the last boot at which that watchdog could tell, it said too that it had caused the reset before. */
  readonly saidBefore: boolean;
  /** That ended that boot, or may have; null: none is known. */
  readonly validation: ValidatedReset | null;
  readonly dumps: Finding<readonly Dump[]>;
  readonly log: Finding<LogTail>;
  readonly peers: Finding<PeersView>;
}

/** What is kept of one end. */
export interface ResetRecord {
  readonly evidence: ResetEvidence;
  /** Dumps and logs were looked for. */
  readonly gathered: boolean;
  readonly acknowledgedMs: number | null;
}

export type Verdict =
  | 'self-fenced'
  | 'watchdog-fired'
  | 'kernel-panic'
  | 'orderly-reboot'
  | 'orderly-poweroff'
  | 'power-loss'
  | 'unknown';

/** `agent-hung`: the agent stood still over a living machine; `standstill`: it, or the machine with it; `agent-ended`: nobody started it again. */
export type Cause = TroubleCause | 'agent-hung' | 'standstill' | 'agent-ended' | 'not-armed-by-us' | 'validation';

/** `certain`: the evidence leaves nothing else; `likely`: it fits best; `open`: little more than a guess. */
export type Certainty = 'certain' | 'likely' | 'open';

export interface EvidenceSentence {
  readonly source: 'agent' | 'watchdog' | 'pstore' | 'log' | 'peers' | 'clock';
  readonly text: string;
}

export interface Alternative {
  readonly verdict: Verdict;
  /** What speaks for it, or does not rule it out; a sentence. */
  readonly why: string;
}

export interface Judgement {
  readonly verdict: Verdict;
  readonly cause: Cause | null;
  readonly certainty: Certainty;
  /** One sentence. */
  readonly summary: string;
  readonly evidence: readonly EvidenceSentence[];
  /** What fits as well. */
  readonly alternatives: readonly Alternative[];
  /** Nobody has to look at it: the machine went down in order, or a validation has come to its end. */
  readonly expected: boolean;
  /** Last time at which something of that boot was seen alive; null: nothing tells. */
  readonly lastSeenMs: number | null;
}

/** One element of GET /v1/resets. */
export interface ResetReport extends Judgement {
  readonly endedBootId: string | null;
  readonly bootId: string;
  /** When the agent was back and found it; null: none has found it yet. */
  readonly foundMs: number | null;
  /** Start of the kernel that came after; null: not known, or the clocks contradict each other. */
  readonly bootedMs: number | null;
  readonly acknowledgedMs: number | null;
  readonly lastLines: readonly LogLine[];
}

export interface ResetsReport {
  /** Newest first. */
  readonly resets: readonly ResetReport[];
  /** What is wrong with the history itself, a sentence; null: nothing. */
  readonly problem: string | null;
  /** Earlier resets may be missing, for what was kept of them could not be read. */
  readonly incomplete: boolean;
}

/** What is kept and shown at most. */
export const resetLimits = {
  records: 50,
  dumps: 8,
  logLines: 20,
  /** Of any text that comes from a file or a program. */
  textCharacters: 300,
  sentences: 24,
} as const;

/** From outside, for one line: bounded, and nothing that could steer a terminal. */
export function oneLine(text: string): string {
  const clean = text.replace(/\p{C}+/gu, ' ').trim();
  return clean.length <= resetLimits.textCharacters ? clean : `${clean.slice(0, resetLimits.textCharacters - 3)}...`;
}
