# SPDX-License-Identifier: MIT
# A C++ program, built here: exceptions, containers, smart pointers, threads, virtual classes.
needs="g++"
torture=500
min_cycles=2
job() {
    g++ -std=c++17 -O1 -pthread -o program "$inputs/job.cpp"
    subject ./program "$(scale 1 10)"
    subject sh -c './program uncaught; echo "exit code $?"' 2>&1
}
