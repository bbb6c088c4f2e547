#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Completion for bash: what it offers for a line, with the command itself and with others that answer `help` for it.
#   test_completion.sh COMMAND COMPLETION-FILE
set -uo pipefail
command=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0
# shellcheck source=/dev/null
source "$2"

# What is offered for a line whose last word is being typed, sorted, in one line. The words are readline's: an equals sign
# is one of its own while it is among the word breaks.
offered() {
    local line=$1 word words=()
    read -ra words <<<"$line"
    [[ $line == *' ' ]] && words+=('')
    COMP_WORDS=("$command")
    for word in "${words[@]:1}"; do
        if [[ $word == *=* && $COMP_WORDBREAKS == *=* ]]; then
            COMP_WORDS+=("${word%%=*}" '=')
            word=${word#*=}
            [[ -n $word ]] && COMP_WORDS+=("$word")
        else
            COMP_WORDS+=("$word")
        fi
    done
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _gcalloc "$command" "$word" "${COMP_WORDS[COMP_CWORD - 1]}"
    printf '%s\n' "${COMPREPLY[@]}" | sort | paste -sd ' '
}

check() {
    local got
    got=$(offered "$1")
    [[ $got == "$2" ]] && return
    echo "FAILED: '$1': offers '$got', not '$2'"
    failed=1
}

# check_has LINE WORD...: these are among what is offered.
check_has() {
    local got word
    got=" $(offered "$1") "
    for word in "${@:2}"; do
        [[ $got == *" $word "* ]] && continue
        echo "FAILED: '$1': offers '$got', without '$word'"
        failed=1
    done
}

cd "$folder" || exit
mkdir inner
touch figures.json 'inner/two words'
printf '#!/bin/sh\n' >program-of-this-test
chmod +x program-of-this-test
PATH=$folder:$PATH
breaks=$COMP_WORDBREAKS

check_has 'gcalloc ' run stat help record report leaks diff why annotate top plot
check 'gcalloc hel' help
check 'gcalloc --v' --version
check_has 'gcalloc -' --help --version
check_has 'gcalloc help ' run stat help
check 'gcalloc help run ' ''
check 'gcalloc --help r' ''
check_has 'gcalloc run -' --mode= --stats --verbose --help
check_has 'gcalloc stat --' --mode= --json --output= --verbose --help
check 'gcalloc stat --j' --json
check 'gcalloc export --format collapsed fig' figures.json
check 'gcalloc export --format d' dhat
check 'gcalloc flamegraph --metric p' peak
for COMP_WORDBREAKS in "$breaks" "${breaks//=/}"; do
    mode='--mode=' output='--output='
    [[ $COMP_WORDBREAKS == *=* ]] && mode='' output=''
    check 'gcalloc run --mode=' "${mode}free ${mode}gc ${mode}leaks"
    check 'gcalloc run --mode=f' "${mode}free"
    check 'gcalloc run --mode f' free
    check 'gcalloc run --mode=gc --verb' --verbose
    check 'gcalloc stat --output=fig' "${output}figures.json"
    check 'gcalloc stat --output fig' figures.json
    check 'gcalloc stat --output=fig --j' --json
done
COMP_WORDBREAKS=$breaks
check 'gcalloc run --stats=' ''
check 'gcalloc run program-of-this' program-of-this-test
check 'gcalloc run --mode gc --stats -- program-of-this' program-of-this-test
check 'gcalloc run ./program-of-this' ./program-of-this-test
check 'gcalloc stat --json ls fig' figures.json
check 'gcalloc stat ls inner/' 'inner/two words'
check 'gcalloc run ls --mode' '' # the program's options are its own

check_has 'gcalloc record -' --level= --rate= --output= --force --mode=
check 'gcalloc record --level ' 'full sample site'
check 'gcalloc record program-of-this' program-of-this-test
check_has 'gcalloc report --' --sort= --stacks= --threads --top= --html --output= --force --compare= --json --no-symbols \
    --debug-path=
check 'gcalloc report fig' figures.json
check 'gcalloc report --sort col' collected
check 'gcalloc report figures.json --th' --threads
check 'gcalloc diff figures.json fig' figures.json
check 'gcalloc leaks fig' figures.json
check 'gcalloc leaks --json -- program-of-this' program-of-this-test
check 'gcalloc plot --of ' 'heap live resident'
check 'gcalloc annotate figures.json inner/' 'inner/two words'

# A word-completing function of other programs is used where there is one.
# shellcheck disable=SC2317
_command_offset() {
    COMPREPLY=("word $1 on")
}
check 'gcalloc run --mode=gc ls -' 'word 5 on'
check 'gcalloc run -- ls' 'word 3 on'
unset -f _command_offset

# Of a command that says something else, something else is offered.
cat >other <<'END'
#!/bin/sh
case ${2-} in
'') printf '%s\n' 'Usage: other' '' '  trace       show what happens' '  help        help' '' '  --quiet     say nothing' ;;
trace) printf '%s\n' 'Usage: other trace [--color=WHEN] FILE' '      --color=WHEN           Paint the' \
    '                             lines: always|never' '  -d, --depth=NUMBER         How deep' ;;
esac
END
chmod +x other
command=./other
check 'gcalloc ' 'help trace'
check 'gcalloc -' --quiet
check 'gcalloc trace -' '--color= --depth='
check 'gcalloc trace --color=n' never
check 'gcalloc trace --depth=' ''
check 'gcalloc trace --depth 3 fig' figures.json

command=./missing # no command, no words, and no complaints
check 'gcalloc ' ''
check 'gcalloc run --' ''
exit "$failed"
