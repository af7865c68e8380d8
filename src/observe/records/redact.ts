const begin = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----/;
const end = /-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----/;
/** A key on one line, its newlines escaped as `\n`, complete or cut off. */
const wholeKey = new RegExp(`${begin.source}.*?(?:${end.source}|$)`, 'gs');
/** Base64, or a header in front of it (RFC 1421). Other lines end an unfinished key. */
const keyLine = /^\W*(?:[A-Za-z0-9+/=]*|(?:Proc-Type|DEK-Info|Version|Comment): .*)\W*$/;

/** The name of a secret value, but not of a path to one. */
const name =
  '(?![\\w-]*(?:file|path|dir)(?![\\w-]))[\\w-]*(?:pass(?:word|wd|phrase)|secret|token|credential|api[-_]?key|private[-_]?key|access[-_]?key)[\\w-]*';
const patterns: readonly RegExp[] = [
  // PEM in base64, as in a kubeconfig, except certificates.
  /()LS0tLS1CRUdJTi(?!BDRVJU)[\w+/=]+/g,
  // JSON Web Tokens such as those of ServiceAccounts (RFC 7519).
  /()\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*/g,
  // Bootstrap tokens (https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/).
  /()\b[a-z0-9]{6}\.[a-z0-9]{16}\b/g,
  // Tokens with a well-known prefix.
  /()\b(?:gh[a-z]_|github_pat_|glpat-|xox[a-z]-|sk-|npm_|AKIA|ASIA)[\w-]{12,}/g,
  /(\b(?:Bearer|Basic) )[\w.~+/=-]{6,}/gi,
  /(\w:\/\/[^\s/:@]*:)[^\s/@]+(?=@)/g,
  // Named values: `token=...`, `"password": "..."`, and a whole line `password: ...`.
  new RegExp(`(\\b${name}=)(?:"[^"]*"|'[^']*'|[^\\s"'&]+)`, 'gi'),
  new RegExp(`(["']${name}\\\\?["']\\s*:\\s*\\\\?)(?:"(?:[^"\\\\]|\\\\.)*"|'[^']*')`, 'gi'),
  new RegExp(`^(\\s*(?:- )?${name}: +)\\S+$`, 'gi'),
];

/**
 * Masks private keys and tokens in a text, line by line: those that `hide` knows, and everything that looks like one. Use a
 * new redactor for each text: a key may span many lines, which become one.
 */
export function redactor(hide: (text: string) => string): (line: string) => string[] {
  let inKey = false;
  return (line) => {
    if (inKey) {
      inKey = keyLine.test(line);
      if (inKey || end.test(line)) return [];
    }
    const withoutKeys = line.replaceAll(wholeKey, '*** (private key)');
    inKey = begin.test(line) && !end.test(line);
    return [hide(patterns.reduce((text, pattern) => text.replaceAll(pattern, '$1***'), withoutKeys))];
  };
}
