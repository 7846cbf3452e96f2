"""`millrace completion SHELL`: completion of subcommands, their options and files, made from the parser."""

import argparse

_BASH = """_millrace() {{
  local word=${{COMP_WORDS[COMP_CWORD]}}
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "{commands}" -- "$word"))
    return
  fi
  local options=""
  case "${{COMP_WORDS[1]}}" in
{cases}
  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *) COMPREPLY=($(compgen -f -- "$word")) ;;
  esac
}}
complete -o filenames -F _millrace millrace"""


def completion_for(parser: argparse.ArgumentParser, shell: str) -> str:
    """The text for a shell to read.

    Args:
      parser: the command's.
      shell: "bash", "zsh" or "fish".
    """
    commands = _commands(parser)
    if shell == "fish":
        names = " ".join(commands)
        first = f"complete -c millrace -n 'not __fish_seen_subcommand_from {names}' -f"
        lines = [f"{first} -a {name} -d '{_plain(text)}'" for name, (text, _) in commands.items()]
        lines += [
            f"complete -c millrace -n '__fish_seen_subcommand_from {name}' -l {option.lstrip('-')}"
            for name, (_, options) in commands.items()
            for option in options
            if option.startswith("--")
        ]
        return "\n".join(lines)
    cases = "\n".join(
        f'    {name}) options="{" ".join(options)}" ;;' for name, (_, options) in commands.items()
    )
    bash = _BASH.format(commands=" ".join([*commands, "--help", "--version"]), cases=cases)
    return f"autoload -U +X bashcompinit && bashcompinit\n{bash}" if shell == "zsh" else bash


def _commands(parser: argparse.ArgumentParser) -> dict[str, tuple[str, list[str]]]:
    """Each subcommand with its help and options."""
    found = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, sub in action.choices.items():
                options = [text for inner in sub._actions for text in inner.option_strings]
                found[name] = helps.get(name, ""), options
    return found


def _plain(text: str) -> str:
    return text.replace("'", "").replace("`", "")
