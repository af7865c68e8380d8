// The scripts run `k8s-single __complete -- WORDS`. It prints a line `value<TAB>description` for each candidate, or `:files`, or
// `:folders`.

const bash = `# k8s-single completion for bash: source <(k8s-single completion bash)
_k8s_single() {
  # Not COMP_WORDS: bash also splits them at =.
  local line=\${COMP_LINE:0:COMP_POINT} words value _
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  local current=\${words[-1]} before=
  [[ $current == --*=* && $COMP_WORDBREAKS == *=* ]] && before=\${current%%=*}=
  COMPREPLY=()
  while IFS=$'\\t' read -r value _; do
    case $value in
    :files) compopt -o default 2>/dev/null ;;
    :folders) compopt -o dirnames 2>/dev/null ;;
    *) COMPREPLY+=("\${value#"$before"}") ;;
    esac
  done < <("\${words[0]}" __complete -- "\${words[@]:1}" 2>/dev/null)
}
complete -F _k8s_single k8s-single
`;

const zsh = `#compdef k8s-single
# k8s-single completion for zsh: source <(k8s-single completion zsh), or save it as _k8s-single in a folder of $fpath
_k8s_single() {
  local line value
  local -a candidates
  for line in "\${(@f)$("\${(Q)words[1]}" __complete -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}"; do
    value=\${line%%$'\\t'*}
    case $value in
    '') ;;
    :files) _files ;;
    :folders) _files -/ ;;
    *) candidates+=("\${value//:/\\\\:}:\${line#*$'\\t'}") ;;
    esac
  done
  (( \${#candidates} )) && _describe 'k8s-single' candidates
}
if [[ \${funcstack[1]} == _k8s-single ]]; then _k8s_single "$@"; else compdef _k8s_single k8s-single; fi
`;

const fish = `# k8s-single completion for fish: k8s-single completion fish | source
function __k8s_single_complete
  set -l words (commandline --tokenize --current-process --cut-at-cursor)
  set -l current (commandline --current-token --cut-at-cursor)
  for line in ($words[1] __complete -- $words[2..-1] "$current" 2>/dev/null)
    switch $line
      case ':files'
        __fish_complete_path "$current"
      case ':folders'
        __fish_complete_directories "$current"
      case '*'
        echo $line
    end
  end
end
complete --command k8s-single --no-files --arguments '(__k8s_single_complete)'
`;

/** The completion script of each shell. */
export const scripts = { bash, zsh, fish };
export type Shell = keyof typeof scripts;
