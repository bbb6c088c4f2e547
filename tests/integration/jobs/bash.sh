# SPDX-License-Identifier: MIT
# bash: arrays, subshells, here-documents, traps, recursion, a fork for every substitution.
needs="bash"
torture=400
min_cycles=2
job() {
    subject bash "$inputs/job.bash" "$(scale 1000 5000)" 2>&1
    subject bash -c 'exit 37' || echo "exit code $?"
    subject bash -c 'kill -TERM $$' || echo "exit code $?"
}
