import { seconds } from './screen.mjs';

/**
 * What a newcomer is told of an agent's event: `{ tone, text }`, or null where it adds nothing to the story.
 * `ofCut`: the event comes from the node that is cut off, and from the boot that served.
 */
export function narrate(event, ofCut) {
  const { type, detail } = event;
  if (ofCut) return ofCutNode(event);
  switch (type) {
    case 'cluster':
      return detail.quorate ? { tone: 'plain', text: `corosync: ${event.text}` } : null;
    case 'view':
      return { tone: 'plain', text: event.text };
    case 'node':
      return ofNode(event);
    case 'service':
      if (detail.operation === 'start') return { tone: 'good', text: event.text };
      return detail.command === 'service-state' && detail.state === 'error' ? { tone: 'bad', text: event.text } : null;
    default:
      return null;
  }
}

function ofCutNode({ type, detail, text }) {
  if (type === 'lease' && detail.remainingMs !== undefined) {
    const why = 'nobody echoes its heartbeats, so its lease is not renewed';
    return { tone: 'notable', text: `${why}: ${seconds(detail.remainingMs)} s left` };
  }
  if (type === 'cluster' && !detail.quorate) {
    return { tone: 'bad', text: 'has lost quorum; it goes on until its lease ends, in case the cut is a short one' };
  }
  return type === 'watchdog' ? { tone: 'bad', text } : null;
}

function ofNode({ detail, text }) {
  if (detail.command === 'node-fenced' || detail.command === 'node-up')
    return { tone: 'good', text: `committed: ${text}` };
  if (detail.command !== 'node-state') return null;
  if (detail.state === 'fence') return { tone: 'notable', text: `committed: ${text}` };
  return detail.state === 'unknown'
    ? { tone: 'plain', text: `committed: ${text}; it may still run the service` }
    : null;
}
