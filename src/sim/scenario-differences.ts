/**
 * Where Holdfast ends otherwise than the peer, on purpose. Every entry is checked whenever its scenario is run: what it
 * says must come about, and everything that it does not mention must be as the peer has it.
 */
export interface Difference {
  /** The scenario's directory, by the peer's name for it. */
  readonly scenario: string;
  /** What the peer ends with, in a few words. */
  readonly peer: string;
  /** What we end with, as far as it differs. */
  readonly ours: OtherOutcome;
  /** Why that is better for the user. */
  readonly why: string;
  /** Nobody here has seen the scenario, only what it is about: it may also end as the peer does. */
  readonly predicted?: true;
}

export interface OtherOutcome {
  /**
   * By sid, `*` for all that are not named: `node1 started`; `* started`: on any node; `*`: on any node, in the peer's
   * state; null: it is not there.
   */
  readonly services?: Readonly<Record<string, string | null>>;
  readonly fenced?: readonly string[];
  readonly reset?: readonly string[];
}

export const differences: readonly Difference[] = [
  {
    scenario: 'crs-static-rebalance1',
    peer: 'counts a disabled service as load of its node until it is confirmed as stopped, and spreads the starts around it',
    ours: {
      services: {
        'vm:110': 'node2 started',
        'vm:116': 'node2 started',
        'vm:117': 'node1 started',
        'vm:122': 'node2 started',
        'vm:123': 'node1 started',
        'vm:128': 'node2 started',
        'vm:129': 'node1 started',
        'vm:134': 'node2 started',
        'vm:135': 'node1 started',
        'vm:140': 'node2 started',
        'vm:141': 'node1 started',
        'vm:146': 'node2 started',
        'vm:147': 'node1 started',
      },
    },
    why: 'what does not run is no load: starts are spread by what runs or is to run',
  },
  {
    scenario: 'disarm-failing-service1',
    peer: 'the service that could not be stopped counts as stopped, though it still runs',
    ours: { services: { 'fa:1001': 'node2 error' } },
    why: 'error says that it may still run, and nobody starts it a second time; disabling it tries the stop again',
  },
  {
    scenario: 'service-command7',
    peer: 'its records contradict each other about where the service is, and it stays in error',
    ours: { services: { 'vm:103': 'node1 started' } },
    why: 'there is one record, and where a service runs is looked up: it is started, and moved as asked',
  },
  {
    scenario: 'shutdown-policy1',
    peer: 'the services wait for a minute, so that a node that reboots faster has them again: nothing fails over',
    ours: { services: { 'vm:103': 'node1 started' }, fenced: ['node3'] },
    why: 'the policy says failover: the node says that it has stopped them, and another one starts them at once',
  },
  {
    scenario: 'shutdown-policy4',
    peer: 'fences a node that was shut down properly, because a stopped container was left on it',
    ours: { fenced: [] },
    why: 'the node has said that it runs nothing: there is nothing to prove and nothing to wait for',
  },
  {
    scenario: 'crm-maintenance-request2',
    peer: 'refuses maintenance of a node that is offline',
    ours: { services: { '*': '*' } },
    why: 'a node that is being repaired is to take nothing when it comes back, and nobody has to wait for it to say so',
    predicted: true,
  },
  {
    scenario: 'crs-dynamic-rebalance1',
    peer: 'counts a disabled service as load of its node until it is confirmed as stopped, and spreads the starts around it',
    ours: { services: { '*': '*' } },
    why: 'what does not run is no load: starts are spread by what runs or is to run',
    predicted: true,
  },
  {
    scenario: 'recovery4',
    peer: 'starts a service on a node that is off, to find that out a minute later and to fence the node again',
    ours: { services: { 'vm:102': 'node2 request_start' }, fenced: ['node2'] },
    why: 'nothing is started where nothing can run: it waits for its node, and says so',
    predicted: true,
  },
  {
    scenario: 'resource-affinity-strict-positive5',
    peer: 'joins sets that share a resource only in part: of some, two members stay apart',
    ours: { services: { '*': '* started' } },
    why: 'rules that share a resource make one set, whatever their order',
    predicted: true,
  },
  {
    scenario: 'resource-affinity-with-node-affinity-strict-negative2',
    peer: 'starts each service where it was left, and then some stand in the way of others for good',
    ours: { services: { '*': '* started' } },
    why: 'nothing runs yet, so each is started where its rules want it',
    predicted: true,
  },
  {
    scenario: 'resource-affinity-with-node-affinity-strict-negative3',
    peer: 'starts each service where it was left, and then none can move before the other has',
    ours: { services: { '*': '* started' } },
    why: 'nothing runs yet, so each is started where its rules want it',
    predicted: true,
  },
  {
    scenario: 'shutdown-policy2',
    peer: 'what is frozen waits for its node for ever',
    ours: { services: { '*': '* started' } },
    why: 'a freeze ends after ten minutes: a node that has not come back by then may never do',
    predicted: true,
  },
  {
    scenario: 'service-ignore2',
    peer: 'fences the node on which the service was ignored, though nothing there would ever have reset it',
    ours: { services: { '*': '* request_start' }, fenced: [] },
    why: 'a node that runs only what is ignored has no armed watchdog: what was left on it may run, until it is back and says that it does not',
    predicted: true,
  },
  {
    scenario: 'service-stopped2',
    peer: 'fences a node that runs nothing, to move a stopped service off it',
    ours: { services: { '*': '* stopped' }, fenced: [], reset: [] },
    why: 'what is stopped can be started elsewhere at any time: nothing has to be proved, and no node to be reset',
    predicted: true,
  },
  {
    scenario: 'stale-maintenance-node',
    peer: 'a whole cluster that shuts down under policy migrate ends in a reset by the watchdog',
    ours: { fenced: [], reset: [] },
    why: 'nodes that find nobody to take their services stop them, and go down cleanly',
    predicted: true,
  },
];
