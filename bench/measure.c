/* SPDX-License-Identifier: MIT */
/* measure GROUP TITLE ALLOCATOR PRELOAD REPEAT SECONDS PROGRAM ARGS... [+ DRIVER ARGS...]
 *
 * Runs the program REPEAT times, one after the other, and prints one line of JSON: means of processor time, of wall time
 * and of what the program says of itself, the highest resident size. PRELOAD is what LD_PRELOAD gets;
 * with `-`, for tools that arrange that themselves, it gets nothing and nobody asks whose malloc it is. A run that takes more
 * than SECONDS is ended and has failed. A driver runs beside the program, without PRELOAD, and is not measured: it gives a
 * server its load and asks it to end. BENCH_REPORT names the file to which the program appends lines `name number`.
 *
 * Exit code: 0; 1: nothing could be measured; 2: usage; 3: the program failed, which the line says; 4: its malloc was not
 * that of the allocator meant.
 *
 * Linked statically: the kernel hands a parent's peak size on to its children, so the parent has to be smaller than any.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000.0
#define US_PER_S 1000000.0
#define FIGURES_MAX 24
#define NAME_BYTES 32
#define LINE_BYTES 256
#define FIRST_PROGRAM_WORD 7

struct request {
    const char *group, *title, *allocator, *preload;
    long repeat, seconds_max;
    char **program, **driver;
};

/* What a program says of itself; sums over all runs, so that a figure that it does not always tell has its own mean. */
struct figure {
    char name[NAME_BYTES];
    double sum;
    long count;
};

struct sample {
    double cpu_seconds;
    double wall_seconds;
    long peak_kib;
};

static struct figure figures[FIGURES_MAX];
static size_t figure_count;
static const char *report_path;
static volatile sig_atomic_t running; /* the process group of what is measured, 0 when nothing runs */
static volatile sig_atomic_t is_late;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static double now(void)
{
    struct timespec time;
    if (clock_gettime(CLOCK_MONOTONIC, &time) != 0)
        fail("clock_gettime");
    return (double)time.tv_sec + (double)time.tv_nsec / NS_PER_S;
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / US_PER_S;
}

static void end_group(void)
{
    if (running != 0)
        kill(-running, SIGKILL);
}

static void on_alarm(int signal_number)
{
    int saved = errno;
    (void)signal_number;
    is_late = 1;
    end_group();
    errno = saved;
}

static void on_end(int signal_number)
{
    end_group();
    while (running != 0 && waitpid(-1, NULL, 0) > 0)
        ;
    _exit(128 + signal_number);
}

static void handle_signals(void)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_flags = SA_RESTART;
    action.sa_handler = on_alarm;
    sigaction(SIGALRM, &action, NULL);
    action.sa_handler = on_end;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        sigaction(ends[i], &action, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
}

static void become(const char *preload, char **words)
{
    char self[NAME_BYTES];
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nowhere < 0 || dup2(nowhere, STDIN_FILENO) < 0 || dup2(nowhere, STDOUT_FILENO) < 0)
        fail("/dev/null");
    /* A server must not outlive a measurement that was killed. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(self, sizeof self, "%ld", (long)getpid());
    if (preload != NULL && (setenv("LD_PRELOAD", preload, 1) != 0 || setenv("BENCH_PID", self, 1) != 0))
        fail("setenv");
    execvp(words[0], words);
    perror(words[0]);
    _exit(127);
}

/* GROUP 0: the program leads its own, so that one signal ends it with all its children. */
static pid_t start(pid_t group, const char *preload, char **words)
{
    pid_t child = fork();
    if (child < 0)
        fail("fork");
    if (child == 0) {
        setpgid(0, group);
        become(preload, words);
    }
    setpgid(child, group == 0 ? child : group);
    return child;
}

static struct figure *figure_named(const char *name)
{
    for (size_t i = 0; i < figure_count; i++)
        if (strcmp(figures[i].name, name) == 0)
            return &figures[i];
    if (figure_count == FIGURES_MAX) {
        fprintf(stderr, "measure: more than %d figures\n", FIGURES_MAX);
        exit(1);
    }
    snprintf(figures[figure_count].name, NAME_BYTES, "%s", name);
    return &figures[figure_count++];
}

static void add_figure(const char *line)
{
    char name[NAME_BYTES];
    size_t length = strcspn(line, " ");
    char *end = NULL;
    double value = strtod(line + length, &end);
    if (length == 0 || length >= NAME_BYTES || end == line + length || strpbrk(line, "\"\\") != NULL)
        return;
    memcpy(name, line, length);
    name[length] = '\0';
    struct figure *figure = figure_named(name);
    figure->sum += value;
    figure->count++;
}

static void read_report(void)
{
    char line[LINE_BYTES];
    FILE *file = fopen(report_path, "r");
    if (file == NULL)
        return;
    while (fgets(line, sizeof line, file) != NULL)
        add_figure(line);
    fclose(file);
}

static void print_head(const struct request *request)
{
    printf("{\"group\": \"%s\", \"title\": \"%s\", \"allocator\": \"%s\", ", request->group, request->title,
           request->allocator);
}

static void fail_with(const struct request *request, const char *what, int number)
{
    print_head(request);
    printf("\"failed\": \"%s %d\"}\n", what, number);
    exit(3);
}

static void judge(const struct request *request, int is_driver, int status)
{
    if (is_late)
        fail_with(request, "took more seconds than", (int)request->seconds_max);
    if (WIFSIGNALED(status))
        fail_with(request, is_driver ? "its load ended by signal" : "signal", WTERMSIG(status));
    if (WEXITSTATUS(status) != 0)
        fail_with(request, is_driver ? "its load ended with code" : "exit code", WEXITSTATUS(status));
}

/* The preloaded bench_end.so says whose malloc it found. Where it says nothing it was not loaded, and nor was PRELOAD. */
static void check_allocator(void)
{
    if (figure_named("wrong_allocator")->count == 0 && figure_named("right_allocator")->count > 0)
        return;
    fputs("measure: the program does not use the allocator meant\n", stderr);
    exit(4);
}

/* Until program and driver have ended. A driver that fails takes the program with it. */
static struct sample wait_for(const struct request *request, pid_t program, pid_t driver, double begin)
{
    struct sample sample = {0, 0, 0};
    int program_status = 0;
    int driver_status = 0;
    for (int left = driver != 0 ? 2 : 1; left > 0; left--) {
        struct rusage used;
        int status = 0;
        pid_t ended = wait4(-1, &status, 0, &used);
        if (ended == program) {
            program_status = status;
            sample = (struct sample){seconds(used.ru_utime) + seconds(used.ru_stime), now() - begin, used.ru_maxrss};
        } else if (ended == driver && driver != 0) {
            /* The load of a server that has crashed fails too, and is not to blame. */
            driver_status = program_status == 0 ? status : 0;
            if (status != 0)
                end_group();
        } else {
            fail("wait4");
        }
    }
    alarm(0);
    end_group();
    running = 0;
    read_report();
    if (figure_named("wrong_allocator")->count > 0)
        check_allocator();
    judge(request, 1, driver_status);
    judge(request, 0, program_status);
    return sample;
}

static int is_preloaded(const struct request *request)
{
    return strcmp(request->preload, "-") != 0;
}

static struct sample run_once(const struct request *request)
{
    unlink(report_path);
    double begin = now();
    pid_t program = start(0, is_preloaded(request) ? request->preload : NULL, request->program);
    running = program;
    alarm((unsigned)request->seconds_max);
    pid_t driver = request->driver != NULL ? start(program, NULL, request->driver) : 0;
    return wait_for(request, program, driver, begin);
}

static void print_result(const struct request *request, struct sample sum)
{
    double runs = (double)request->repeat;
    print_head(request);
    printf("\"runs\": %ld, \"cpu_ms\": %.4f, \"wall_ms\": %.4f, \"peak_kib\": %ld", request->repeat,
           sum.cpu_seconds * 1e3 / runs, sum.wall_seconds * 1e3 / runs, sum.peak_kib);
    for (size_t i = 0; i < figure_count; i++)
        if (figures[i].count > 0 && strcmp(figures[i].name, "right_allocator") != 0)
            printf(", \"%s\": %.10g", figures[i].name, figures[i].sum / (double)figures[i].count);
    printf("}\n");
}

static long positive(const char *word)
{
    char *end = NULL;
    long number = strtol(word, &end, 10);
    return *end == '\0' && number > 0 ? number : 0;
}

static int read_request(int count, char **words, struct request *request)
{
    if (count <= FIRST_PROGRAM_WORD)
        return 0;
    request->group = words[1];
    request->title = words[2];
    request->allocator = words[3];
    request->preload = words[4];
    request->repeat = positive(words[5]);
    request->seconds_max = positive(words[6]);
    request->program = words + FIRST_PROGRAM_WORD;
    for (int i = FIRST_PROGRAM_WORD; i < count; i++) {
        if (strcmp(words[i], "+") != 0)
            continue;
        words[i] = NULL;
        request->driver = words + i + 1;
        break;
    }
    return request->repeat > 0 && request->seconds_max > 0 && request->program[0] != NULL &&
           (request->driver == NULL || request->driver[0] != NULL);
}

int main(int count, char **words)
{
    struct request request = {0};
    struct sample sum = {0, 0, 0};
    report_path = getenv("BENCH_REPORT");
    if (report_path == NULL || !read_request(count, words, &request)) {
        fputs("usage: BENCH_REPORT=FILE measure GROUP TITLE ALLOCATOR PRELOAD REPEAT SECONDS PROGRAM ARGS... "
              "[+ DRIVER ARGS...]\n",
              stderr);
        return 2;
    }
    handle_signals();
    for (long i = 0; i < request.repeat; i++) {
        struct sample one = run_once(&request);
        sum.cpu_seconds += one.cpu_seconds;
        sum.wall_seconds += one.wall_seconds;
        sum.peak_kib = one.peak_kib > sum.peak_kib ? one.peak_kib : sum.peak_kib;
    }
    if (is_preloaded(&request))
        check_allocator();
    print_result(&request, sum);
    return 0;
}
