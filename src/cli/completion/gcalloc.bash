# SPDX-License-Identifier: MIT
# Completion for bash of the gcalloc command. Subcommands, options and their words come from the help of the very command
# that is being typed, so there is nothing here to keep up to date. Works with and without the package bash-completion.

# Subcommands, one a line, of the overview whose lines begin with two spaces and a word.
_gcalloc_subcommands()
{
    "$1" help 2>/dev/null </dev/null | sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p'
}

# Options in what `gcalloc help ...` shows, one a line: --name, or --name=KIND. KIND is the name of the value, such as
# FILE, or its words, gc|free, where the text behind the option or the lines below it have any.
_gcalloc_options()
{
    "$1" help ${2:+"$2"} 2>/dev/null </dev/null | awk '
        function show() {
            if (name != "" && value != "" && match(text, /[a-z0-9_-]+(\|[a-z0-9_-]+)+/))
                value = substr(text, RSTART, RLENGTH)
            if (name != "")
                print name (value == "" ? "" : "=" value)
            name = ""
        }
        /^  +(-[a-zA-Z], +)?--[a-z]/ {
            show()
            match($0, /--[a-z][a-z-]*/)
            name = substr($0, RSTART, RLENGTH)
            text = substr($0, RSTART + RLENGTH)
            value = match(text, /^\[?=[A-Za-z_]+/) ? substr(text, RSTART, RLENGTH) : ""
            sub(/^\[?=/, "", value)
            sub(/^[^ ]*/, "", text)
            next
        }
        /^            / && name != "" { text = text $0; next }
        { show() }
        END { show() }'
}

# COMPREPLY gets what begins with the first argument, out of the words behind it.
_gcalloc_offer()
{
    local begin=$1 word
    shift
    for word in "$@"; do
        [[ $word == "$begin"* ]] && COMPREPLY+=("$word")
    done
}

_gcalloc_offer_files()
{
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen "-$1" -- "$2")
}

# The value of an option, given its kind.
_gcalloc_offer_value()
{
    local words
    case $1 in
    *'|'*)
        IFS='|' read -ra words <<<"$1"
        _gcalloc_offer "$2" "${words[@]}"
        ;;
    FILE | PATH) _gcalloc_offer_files f "$2" ;;
    DIR | DIRECTORY | FOLDER) _gcalloc_offer_files d "$2" ;;
    esac
}

# A program with its arguments, from that word of the line on.
_gcalloc_offer_program()
{
    local first=$1 current=$2 offset
    # Of the package bash-completion, which knows the arguments of other programs; newer ones have the longer name.
    for offset in _comp_command_offset _command_offset; do
        declare -F "$offset" >/dev/null || continue
        "$offset" "$first"
        return
    done
    if ((first < COMP_CWORD)) || [[ $current == */* ]]; then
        _gcalloc_offer_files f "$current"
    else
        mapfile -t COMPREPLY < <(compgen -c -- "$current" | sort -u)
    fi
}

_gcalloc_offer_options()
{
    local current=$1 option names=()
    shift
    for option; do
        case $option in
        *=*) names+=("${option%%=*}=") ;;
        *) names+=("$option") ;;
        esac
    done
    _gcalloc_offer "$current" "${names[@]}"
    # No space behind the sign that a value follows.
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
}

# The words from the subcommand's on are walked through as the command itself does: options, each perhaps with a value
# as a word of its own, then the program. readline has made words of its own of "--name=value": three, or one.
_gcalloc_offer_behind_subcommand()
{
    local command=$1 subcommand=$2 current=$3 at=2 runs=0 option kind word options=()
    mapfile -t options < <(_gcalloc_options "$command" "$subcommand")
    while ((at <= COMP_CWORD)); do
        word=${COMP_WORDS[at]}
        if [[ $word == -- ]] && ((at < COMP_CWORD)); then
            _gcalloc_offer_program $((at + 1)) "$current"
            return
        elif [[ $word != -* ]] || ((at == COMP_CWORD)); then
            break
        fi
        kind=
        for option in "${options[@]}"; do
            [[ $option == "${word%%=*}="* ]] && kind=${option#*=}
        done
        at=$((at + 1))
        [[ ${COMP_WORDS[at]-} == '=' && $word != *=* ]] && at=$((at + 1))
        if [[ -n $kind && $word != *=* ]]; then
            if ((at >= COMP_CWORD)); then
                _gcalloc_offer_value "$kind" "$current"
                return
            fi
            at=$((at + 1))
        fi
    done
    # "[--] PROGRAM": the first word that is no option is a program, and all behind it is the program's. Otherwise words are
    # files, options may follow them, and a program can only stand behind "--".
    "$command" help "$subcommand" 2>/dev/null </dev/null | grep -q -F -e '[--] PROGRAM' && runs=1
    if ((at > COMP_CWORD)); then
        : # the value of an option that takes none
    elif ((at == COMP_CWORD || !runs)) && [[ $current == --*=* ]]; then
        for option in "${options[@]}"; do
            [[ $option == "${current%%=*}="* ]] && _gcalloc_offer_value "${option#*=}" "${current#*=}"
        done
        COMPREPLY=("${COMPREPLY[@]/#/${current%%=*}=}")
    elif ((at == COMP_CWORD || !runs)) && [[ $current == -* ]]; then
        _gcalloc_offer_options "$current" "${options[@]}"
    elif ((runs)); then
        _gcalloc_offer_program "$at" "$current"
    else
        _gcalloc_offer_files f "$current"
    fi
}

_gcalloc()
{
    local command=${1/#\~\//$HOME/} current=$2 subcommands=() options=()
    COMPREPLY=()
    mapfile -t subcommands < <(_gcalloc_subcommands "$command")
    if ((COMP_CWORD > 1)); then
        case ${COMP_WORDS[1]} in
        help) ((COMP_CWORD == 2)) && _gcalloc_offer "$current" "${subcommands[@]}" ;;
        -*) ;;
        *) _gcalloc_offer_behind_subcommand "$command" "${COMP_WORDS[1]}" "$current" ;;
        esac
    elif [[ $current == -* ]]; then
        mapfile -t options < <(_gcalloc_options "$command")
        _gcalloc_offer_options "$current" "${options[@]}"
    else
        _gcalloc_offer "$current" "${subcommands[@]}"
    fi
    return 0
}

complete -F _gcalloc gcalloc
