const begin = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----/;
const end = /-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----/;
/** A key within one line, its newlines written as `\n`; or as much of it as there is. */
const wholeKey = new RegExp(`${begin.source}.*?(?:${end.source}|$)`, 'gs');
/** Base64, or a header before it (RFC 1421). Whatever else follows an unfinished key is none of it. */
const keyLine = /^\W*(?:[A-Za-z0-9+/=]*|(?:Proc-Type|DEK-Info|Version|Comment): .*)\W*$/;

/** Of something whose value is a secret, and not the path of one. */
const name =
  '(?![\\w-]*(?:file|path|dir)(?![\\w-]))[\\w-]*(?:pass(?:word|wd|phrase)|secret|token|credential|api[-_]?key|private[-_]?key|access[-_]?key)[\\w-]*';
const patterns: readonly RegExp[] = [
  // A PEM in base64, as in a kubeconfig, unless it is a certificate.
  /()LS0tLS1CRUdJTi(?!BDRVJU)[\w+/=]+/g,
  // JSON Web Tokens, a ServiceAccount's for one (RFC 7519).
  /()\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*/g,
  // Bootstrap tokens (https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/).
  /()\b[a-z0-9]{6}\.[a-z0-9]{16}\b/g,
  // Tokens that say themselves what they are.
  /()\b(?:gh[a-z]_|github_pat_|glpat-|xox[a-z]-|sk-|npm_|AKIA|ASIA)[\w-]{12,}/g,
  /(\b(?:Bearer|Basic) )[\w.~+/=-]{6,}/gi,
  /(\w:\/\/[^\s/:@]*:)[^\s/@]+(?=@)/g,
  // What is named: `token=...`, `"password": "..."`, and a whole line `password: ...`.
  new RegExp(`(\\b${name}=)(?:"[^"]*"|'[^']*'|[^\\s"'&]+)`, 'gi'),
  new RegExp(`(["']${name}\\\\?["']\\s*:\\s*\\\\?)(?:"(?:[^"\\\\]|\\\\.)*"|'[^']*')`, 'gi'),
  new RegExp(`^(\\s*(?:- )?${name}: +)\\S+$`, 'gi'),
];

/**
 * Takes private keys and tokens out of a text, line by line: what `hide` knows, and what looks like one. Made for one text:
 * a key may go over many lines, of which one is left that says so.
 */
export function redactor(hide: (text: string) => string): (line: string) => string[] {
  let inKey = false;
  return (line) => {
    if (inKey) {
      inKey = keyLine.test(line);
      if (inKey) return [];
      if (end.test(line)) return [];
    }
    const withoutKeys = line.replaceAll(wholeKey, '*** (a private key)');
    inKey = begin.test(line) && !end.test(line);
    return [hide(patterns.reduce((text, pattern) => text.replaceAll(pattern, '$1***'), withoutKeys))];
  };
}
