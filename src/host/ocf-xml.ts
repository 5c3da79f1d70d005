/**
 * The part of XML that resource agents' meta-data use, read strictly: elements, quoted attributes,
 * comments, CDATA, a DOCTYPE without an internal subset (so no entity definitions), the predefined
 * and numeric entities. Text is checked and dropped: nothing that Holdfast needs is in text.
 */
export interface XmlElement {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
}

/** Not well-formed, or beyond the limits; the message says what and on which line. */
export class XmlError extends Error {
  override readonly name = 'XmlError';
}

const maxDepth = 16;
const maxElements = 10_000;

const nameRule = '[A-Za-z_][\\w.:-]*';
/** One token; every alternative is linear in what it matches. */
const token = new RegExp(
  [
    '<\\?[^]*?\\?>',
    '<!--[^]*?-->',
    '<!\\[CDATA\\[[^]*?\\]\\]>',
    '<!DOCTYPE\\s[^[\\]<>]*>',
    `</(?<close>${nameRule})\\s*>`,
    `<(?<open>${nameRule})(?<attributes>(?:\\s+${nameRule}\\s*=\\s*(?:"[^"<]*"|'[^'<]*'))*)\\s*(?<empty>/?)>`,
    '(?<text>[^<]+)',
  ].join('|'),
  'y',
);

interface OpenElement extends XmlElement {
  readonly attributes: Map<string, string>;
  readonly children: OpenElement[];
}

/** Parses one document of bounded size (the caller bounds it); throws an XmlError. */
export function parseXml(source: string): XmlElement {
  const document: OpenElement = { name: '', attributes: new Map(), children: [] };
  const open = [document];
  let elements = 0;
  const tokens = new RegExp(token);
  for (let at = 0; at < source.length; at = tokens.lastIndex) {
    const fail = (what: string) => new XmlError(`${what} on line ${source.slice(0, at).split('\n').length}`);
    tokens.lastIndex = at;
    const found = tokens.exec(source)?.groups;
    const parent = open.at(-1);
    if (found === undefined || parent === undefined) throw fail('malformed markup');
    if (found.text !== undefined && parent === document && found.text.trim() !== '') {
      throw fail('text outside of the root element');
    }
    if (found.close !== undefined) {
      if (found.close !== parent.name) throw fail(`</${found.close}> closes nothing`);
      open.pop();
    }
    if (found.open === undefined) continue;
    if (++elements > maxElements || open.length > maxDepth) throw fail('too many or too deeply nested elements');
    if (parent === document && document.children.length > 0) throw fail('a second root element');
    const element = { name: found.open, attributes: parseAttributes(found.attributes ?? '', fail), children: [] };
    parent.children.push(element);
    if (found.empty === '') open.push(element);
  }
  const [root] = document.children;
  if (root === undefined) throw new XmlError('no element at all');
  if (open.length > 1) throw new XmlError(`<${open.at(-1)?.name}> is never closed`);
  return root;
}

function parseAttributes(source: string, fail: (what: string) => XmlError): Map<string, string> {
  const attributes = new Map<string, string>();
  for (const [, name = '', double, single = ''] of source.matchAll(/([\w.:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g)) {
    if (attributes.has(name)) throw fail(`attribute ${name} is given twice`);
    attributes.set(name, decodeEntities(double ?? single, fail));
  }
  return attributes;
}

const predefined: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

function decodeEntities(value: string, fail: (what: string) => XmlError): string {
  return value.replace(/&([^;&]{0,10};)?/g, (whole, body: string | undefined) => {
    const name = body?.slice(0, -1) ?? '';
    const [, hex, decimal] = /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/.exec(name) ?? [];
    const code = hex !== undefined ? Number.parseInt(hex, 16) : Number(decimal);
    const text = Object.hasOwn(predefined, name)
      ? predefined[name]
      : code > 0 && code <= 0x10ffff
        ? String.fromCodePoint(code)
        : undefined;
    if (text === undefined) throw fail(`unknown entity ${whole.slice(0, 12)}`);
    return text;
  });
}
