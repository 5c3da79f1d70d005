/** The shapes of names, one for everything that reads one: the log, the wire, the socket, the files. */

/** Of a resource: its type and its own name. */
export const sidPattern = /^[a-z][a-z0-9]*:[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

/** Of a parameter of a resource agent. */
export const parameterNamePattern = /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/;

const identifierPattern = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;

/** Of a group or a rule. Names that every object has (`constructor`) would be found where nothing is. */
export function isIdentifier(name: string): boolean {
  return identifierPattern.test(name) && !(name in {});
}

/** Of a node, as in corosync.conf. */
export const nodeNamePattern = /^[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,254}[A-Za-z0-9])?$/;
