# SPDX-License-Identifier: MIT
# Work for bash itself. $1 is the number of rounds.
rounds=$1

fib() {
    if (($1 < 2)); then echo "$1"; else echo $(($(fib $(($1 - 1))) + $(fib $(($1 - 2))))); fi
}

hanoi() {
    local n=$1 from=$2 to=$3 via=$4
    ((n == 0)) && return
    hanoi $((n - 1)) "$from" "$via" "$to"
    moves+=("$from$to")
    hanoi $((n - 1)) "$via" "$to" "$from"
}

arrays() {
    local -a list=() sorted
    local -A count=()
    local i word
    for ((i = 0; i < rounds * 10; i++)); do
        word="w$(((i * 7919) % 101))"
        list+=("$word:$i")
        count[$word]=$((${count[$word]:-0} + i))
    done
    for ((i = 0; i < rounds; i += 3)); do unset "list[$i]"; done
    list=("${list[@]/w1/W-one}")
    mapfile -t sorted < <(for word in "${!count[@]}"; do echo "$word ${count[$word]}"; done | sort)
    printf '%s\n' "${#list[@]}" "${list[@]:100:5}" "${sorted[@]}"
}

strings() {
    local text= i part
    for ((i = 0; i < rounds * 20; i++)); do
        text+="line $i of the text;"
        ((${#text} > 20000)) && text=${text:15000}
    done
    part=${text//line/LINE}
    echo "${#text} ${#part} ${part:50:60} ${text^^}" | cksum
    while IFS=' ' read -r -d ';' _ number rest; do
        ((number % 500 == 0)) && echo "$number/$rest"
    done <<<"$text"
}

here_documents() {
    local i body
    for ((i = 0; i < rounds / 10; i++)); do
        body=$(cat <<END
round $i $(printf '%03d' "$i")
	$((i * i)) \$literal ${BASH_VERSINFO[0]}
END
)
        [[ $body =~ round\ ([0-9]+)\ (0*)([0-9]+) ]] && echo "${BASH_REMATCH[1]}-${BASH_REMATCH[2]}-${BASH_REMATCH[3]}"
    done
    cat <<'END'
$(not run) `nor this`
END
}

traps() {
    local hits=0 i
    trap '((hits++))' USR1
    for ((i = 0; i < 50; i++)); do kill -USR1 $BASHPID; done
    trap - USR1
    echo "signals $hits"
    (trap 'echo "bye from the subshell"' EXIT; exit 3)
    echo "subshell $?"
    (trap 'echo "caught $(echo an error)"' ERR; false; true)
}

background() {
    local i pids=() sum=0
    for i in 1 2 3 4 5 6 7 8; do
        (x=(); for ((k = 0; k < rounds; k++)); do x+=("item $k"); done; exit "$i") &
        pids+=($!)
    done
    for i in "${pids[@]}"; do wait "$i" || ((sum += $?)); done
    echo "exit codes $sum"
    for i in c a b; do echo "$i"; done | { mapfile -t got; printf '<%s>' "${got[@]}"; echo; } | tr a-c x-z
    diff <(seq 1 200) <(seq 1 2 200) | cksum
}

fib 11
moves=()
hanoi 9 A B C
echo "${#moves[@]} ${moves[*]:0:20}"
arrays
strings
here_documents
traps
background
declare -f hanoi
eval "$(declare -f fib | sed 's/fib/other/g')"
other 7
set -- {a..e}{1..4}
shift 3
echo "$# ${*:2:4} ${!#} $(printf '%q ' "a b" "it's")"
