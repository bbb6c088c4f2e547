# SPDX-License-Identifier: MIT
# git: several hundred commits, branches, merge, gc, fsck, clone, blame; many short processes and a threaded pack.
needs="git gawk"
torture=150
min_cycles=2
limit=240
# Identity and dates are fixed, so that every object has the same name in both runs.
setup_git() {
    export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL="$PWD/config" HOME="$PWD" GIT_TERMINAL_PROMPT=0
    export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=c GIT_COMMITTER_EMAIL=c@example.org
    export GIT_AUTHOR_DATE='1000000000 +0000' GIT_COMMITTER_DATE='1000000000 +0000'
    git config --global pack.threads 2
    git config --global gc.autoDetach false
    git config --global init.defaultBranch main
    git config --global merge.conflictStyle diff3
}

history_stream() {
    gawk -v n="$1" 'BEGIN {
        for (i = 1; i <= n; i++) {
            print "commit refs/heads/main\ncommitter c <c@example.org> " 1000000000 + i * 60 " +0000"
            m = "change " i; print "data " length(m); print m
            for (k = 0; k < 4; k++) {
                f = (i * 7 + k * 13) % 120; text = ""
                for (l = 0; l < 20 + f % 30; l++)
                    text = text "line " l " of file " f (l % 11 == i % 11 ? " edited in " i : "") "\n"
                print "M 100644 inline dir" f % 9 "/file" f ".txt"; print "data " length(text); print text
            }
        }
    }'
}

job() {
    local i
    setup_git
    subject git init -q repo
    history_stream "$(scale 300 3000)" | subject git -C repo fast-import --quiet
    cd repo
    subject git checkout -q main
    for ((i = 0; i < $(scale 20 100); i++)); do
        [ "$i" = 10 ] && subject git checkout -q -b side
        echo "edit $i" >>"dir$((i % 9))/new$i.txt"
        subject git add -A
        subject git commit -q -m "commit $i"
    done
    subject git checkout -q main
    echo "on main" >>dir1/new1.txt
    subject git commit -qam "on main"
    subject git merge -q --no-edit side
    subject git log --stat --format='%H %an %s' | cksum
    subject git log --graph --oneline -p -M -- dir3 | cksum
    subject git blame dir1/file1.txt | cksum
    subject git gc -q --aggressive --prune=now
    subject git fsck --full --strict
    subject git clone -q --no-local . ../clone
    subject git -C ../clone fsck --full
    subject git -C ../clone rev-parse HEAD
    subject git rev-list --objects --all | sort | cksum
    subject git grep -n -c 'edited in 2' main | cksum
    subject git diff --stat main~15 main | tail -n 1
    subject git archive --format=tar main | cksum
    subject git rebase -q --onto main~10 main~5 main
    subject git status --short --branch
    subject git cat-file -p 1234567890 || echo "git $?"
    subject git for-each-ref
}
