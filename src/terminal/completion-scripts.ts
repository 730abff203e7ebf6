/** The completion script of each shell. Each script asks the program for candidates. */
export const scripts = {
  bash: `# bash completion for qvac
_qvac() {
  local IFS=$'\\n'
  # bash splits words at colons and equals signs, which addresses contain.
  local found
  found=$(qvac completion --complete bash -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  COMPREPLY=($(compgen -W "$found" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _qvac qvac
`,
  zsh: `#compdef qvac
# zsh completion for qvac
_qvac() {
  local -a found
  local line
  while IFS= read -r line; do
    [[ -n $line ]] && found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done < <(qvac completion --complete zsh -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  if (( \${#found} )); then _describe 'qvac' found; else _files; fi
}
if [[ $funcstack[1] == _qvac ]]; then _qvac "$@"; else compdef _qvac qvac; fi
`,
  fish: `# fish completion for qvac
function __qvac_complete
  set -l found (qvac completion --complete fish -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)
  if test (count $found) -gt 0
    string join -- \\n $found
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c qvac -e
complete -c qvac -f -a '(__qvac_complete)'
`,
} as const;
