# SPDX-License-Identifier: MIT
# python3 with its own small-object allocator switched off: every object, dictionary and frame is a block of malloc.
needs="python3"
torture=5000
min_cycles=2
limit=300
job() {
    export PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 PYTHONMALLOC=malloc
    subject python3 "$inputs/job.py" "$(scale 1 3)"
}
