/* SPDX-License-Identifier: MIT */
/* The program that the tests of the command run: does what its first argument says and shows what it was given. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t received;
static volatile sig_atomic_t deliveries;

static void on_signal(int number)
{
    received = number;
    deliveries++;
}

static int print_arguments(int count, char **words)
{
    for (int i = 0; i < count; i++)
        printf("[%s]", words[i]);
    putchar('\n');
    return 0;
}

static int print_environment(int count, char **names)
{
    for (int i = 0; i < count; i++) {
        const char *value = getenv(names[i]);
        printf("%s=%s\n", names[i], value ? value : "(unset)");
    }
    return 0;
}

static int print_stats_file(void)
{
    struct stat file, directory;
    char path[4096];
    snprintf(path, sizeof path, "%s", getenv("GCALLOC_STATS_FILE"));
    if (stat(path, &file) != 0)
        return 1;
    *strrchr(path, '/') = '\0';
    if (stat(path, &directory) != 0)
        return 1;
    printf("%s %o %o %lld\n", path, file.st_mode & 07777, directory.st_mode & 07777, (long long)file.st_size);
    return 0;
}

/* Which of the signals that `gcalloc stat` touches are ignored or blocked here. */
static int print_signals(void)
{
    static const int numbers[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGCHLD};
    sigset_t mask;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction action;
        sigaction(numbers[i], NULL, &action);
        printf("%d:%s:%s ", numbers[i], action.sa_handler == SIG_IGN ? "ignored" : "default",
               sigismember(&mask, numbers[i]) ? "blocked" : "open");
    }
    putchar('\n');
    return 0;
}

/* Waits for one of the usual signals and says which; exit status 40 + number of the signal. */
static int wait_for_signal(void)
{
    static const int numbers[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t blocked, open;
    sigemptyset(&blocked);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        sigaddset(&blocked, numbers[i]);
        sigaction(numbers[i], &action, NULL);
    }
    sigprocmask(SIG_BLOCK, &blocked, &open);
    printf("ready %d %d\n", (int)getpid(), (int)getpgrp());
    fflush(stdout);
    alarm(30);
    while (received == 0)
        sigsuspend(&open);
    printf("signal %d, %d time\n", (int)received, (int)deliveries);
    return 40 + received;
}

/* `count` processes that exit normally, with peaks of 2, 3, ... MiB. */
static int fork_children(int count)
{
    for (int i = 0; i < count; i++) {
        if (fork() == 0) {
            char peak[32];
            snprintf(peak, sizeof peak, "%d", (i + 2) * 1048576);
            setenv("FAKE_PEAK", peak, 1);
            exit(0);
        }
        wait(NULL);
    }
    return 0;
}

/* `count` blocks of 1000 bytes to which no pointer is left. */
static int leak(int count)
{
    void *volatile block = NULL;
    for (int i = 0; i < count; i++)
        block = malloc(1000);
    block = NULL;
    return block != NULL;
}

/* Leaves a process behind that exits normally once standard input ends. */
static int leave_orphan(void)
{
    char byte;
    if (fork() == 0) {
        while (read(STDIN_FILENO, &byte, 1) > 0)
            continue;
        exit(0);
    }
    return 0;
}

/* Runs the rest of the words as gcalloc finds itself under nohup-like callers. */
static int run_changed(const char *action, char **words)
{
    if (strcmp(action, "without-new-privileges") == 0)
        prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L);
    if (strcmp(action, "with-ignored") == 0) {
        signal(SIGTERM, SIG_IGN);
        signal(SIGHUP, SIG_IGN);
        signal(SIGINT, SIG_IGN);
        signal(SIGCHLD, SIG_IGN);
    }
    execv(words[0], words);
    perror(words[0]);
    return 98;
}

static int end(const char *action, int number)
{
    if (strcmp(action, "_exit") == 0)
        _exit(number);
    if (strcmp(action, "kill") == 0)
        kill(getpid(), number);
    return number;
}

int main(int argc, char **argv)
{
    const char *action = argc > 1 ? argv[1] : "";
    int number = argc > 2 ? atoi(argv[2]) : 0;
    if (strcmp(action, "arguments") == 0)
        return print_arguments(argc, argv);
    if (strcmp(action, "environment") == 0)
        return print_environment(argc - 2, argv + 2);
    if (strcmp(action, "stats-file") == 0)
        return print_stats_file();
    if (strcmp(action, "signals") == 0)
        return print_signals();
    if (strcmp(action, "wait") == 0)
        return wait_for_signal();
    if (strcmp(action, "fork") == 0)
        return fork_children(number);
    if (strcmp(action, "leak") == 0)
        return leak(number);
    if (strcmp(action, "orphan") == 0)
        return leave_orphan();
    if (strcmp(action, "id") == 0)
        return printf("%d %d\n", (int)getpid(), (int)getpgrp()) < 0;
    if (strcmp(action, "secure") == 0)
        return printf("%lu\n", getauxval(AT_SECURE)) < 0;
    if (strcmp(action, "without-new-privileges") == 0 || strcmp(action, "with-ignored") == 0)
        return run_changed(action, argv + 2);
    return end(action, number);
}
