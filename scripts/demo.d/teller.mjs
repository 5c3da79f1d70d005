import { narrate } from './narration.mjs';
import { bar, seconds } from './screen.mjs';

/** What is left of the lease when a line tells of it. */
const leaseMarks = [0.5, 0.25, 0.1];
/** The web server records that it lives every 100 ms. */
const signOfLifeMs = 500;

/** Tells what the scene shows, while it shows it. */
export class Teller {
  #scene;
  #screen;
  #boundMs;
  #told = new Set();
  #marks = [...leaseMarks];
  #toldOfBoot = false;

  constructor(scene, screen, boundMs) {
    this.#scene = scene;
    this.#screen = screen;
    this.#boundMs = boundMs;
  }

  say(who, tone, text, atMs = this.#scene.nowMs()) {
    const { cut } = this.#scene;
    this.#screen.line(cut === null ? null : atMs - cut.atMs, who, tone, text);
  }

  onEvent = (from, event) => {
    const { cut } = this.#scene;
    if (cut === null) return;
    const ofCut = from === cut.node && cut.resetMs === null;
    if (from === cut.node && !ofCut && !cut.healed) return; // booted again, and alone
    if (ofCut && event.type === 'cluster' && !event.detail.quorate) cut.quorumLostMs ??= event.bootMs;
    const told = narrate(event, ofCut);
    // All nodes tell of what is committed; once is enough.
    const key = `${event.detail.index ?? ''} ${event.text}`;
    if (told === null || this.#told.has(key)) return;
    this.#told.add(key);
    this.say(from, told.tone, told.text, event.bootMs);
  };

  onLook = () => {
    this.#tellOfLease();
    this.#tellOfBoot();
    this.#screen.status(this.#now());
  };

  #tellOfLease() {
    const { cut, web, nowMs } = this.#scene;
    const lease = this.#scene.cutLease();
    if (lease === null || lease.remainingMs === 0 || !(lease.remainingMs / lease.leaseMs <= this.#marks[0])) return;
    this.#marks.shift();
    const sign = web.records.findLast(({ node }) => node === cut.node);
    const lives = sign !== undefined && nowMs() - sign.bootMs < signOfLifeMs;
    const server = lives ? 'its web server still runs, but nobody can reach it' : 'its web server has ended';
    this.say(cut.node, 'notable', `${seconds(lease.remainingMs)} s of its lease left; ${server}`);
  }

  #tellOfBoot() {
    const { cut, statuses } = this.#scene;
    if (cut === null || cut.resetMs === null || cut.healed || this.#toldOfBoot) return;
    const bootId = statuses.get(cut.node)?.local.bootId;
    if (bootId === undefined || bootId === cut.bootId) return;
    this.#toldOfBoot = true;
    this.say(cut.node, 'plain', 'has booted again, still cut off: without quorum it starts nothing');
  }

  /** The status line. */
  #now() {
    const { client, cut } = this.#scene;
    const parts = [cut === null ? 'all is well' : `+${seconds(this.#scene.nowMs() - cut.atMs)} s`];
    const lease = this.#scene.cutLease();
    const waitMs = cut === null ? null : this.#scene.cutNodeAsSeen()?.takeoverInMs;
    if (lease !== null) {
      parts.push(`${cut.node}: lease ${bar(lease.remainingMs / lease.leaseMs)} ${seconds(lease.remainingMs)} s`);
    } else if (waitMs) {
      parts.push(`takeover in ${bar(waitMs / this.#boundMs)} ${seconds(waitMs)} s`);
    }
    const last = client.records.at(-1)?.node;
    parts.push(`client: ${last ? `answered by ${last}` : 'no answer'}, ${this.#scene.lostRequests().length} lost`);
    return parts.join('   ');
  }
}
