/* SPDX-License-Identifier: MIT */
/* platform/thread.h for Linux and glibc. */
#include "platform/thread.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/attributes.h"
#include "base/bits.h"
#include "base/text.h"
#include "platform/context.h"
#include "platform/linux/file.h"
#include "platform/linux/sandbox/calls.h"

/* What getdents64(2) fills in; glibc has no name for it. */
struct directory_entry {
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t type;
    char name[];
};

#define TASK_DIRECTORY "/proc/self/task"

uint32_t gci_thread_id(void)
{
    return (uint32_t)syscall(SYS_gettid);
}

uint32_t gci_process_id(void)
{
    return (uint32_t)syscall(SYS_getpid);
}

void gci_thread_name(char *name)
{
    int saved = errno;
    name[0] = '\0';
    prctl(PR_GET_NAME, name);
    errno = saved;
}

/* State letter of /proc/self/task/ID/stat: it follows the last ')', as names may hold anything. 0 where unknown. */
static char task_state(uint32_t id)
{
    struct text path;
    char line[256];
    gci_text_init(&path);
    gci_text_add(&path, TASK_DIRECTORY "/");
    gci_text_add_decimal(&path, id);
    gci_text_add(&path, "/stat");
    int file = file_open_to_read(path.bytes);
    if (file < 0)
        return 0;
    ssize_t length = file_read(file, line, sizeof line);
    file_close(file);
    for (ssize_t i = length - 3; i > 0; i--)
        if (line[i] == ')')
            return line[i + 2];
    return 0;
}

/* A leader that has ended before the process stays a zombie that can even be signalled. */
bool gci_thread_is_alive(uint32_t id)
{
    int saved = errno;
    bool alive = syscall(SYS_tgkill, syscall(SYS_getpid), id, 0) == 0;
    if (alive) {
        char state = task_state(id);
        alive = state != 'Z' && state != 'X';
    }
    errno = saved;
    return alive;
}

/* The value of a field of /proc/self/task/ID/status, or NULL. */
static const char *find_field(const char *status, const char *name)
{
    const char *at = strstr(status, name);
    if (at == NULL)
        return NULL;
    at += strlen(name);
    while (*at == '\t' || *at == ' ')
        at++;
    return at;
}

#define STATUS_BYTES 2048 /* the fields that matter come within the first 1,500 */

bool gci_thread_sleeps_deaf(uint32_t id, int signal)
{
    int saved = errno;
    char status[STATUS_BYTES];
    struct text path;
    gci_text_init(&path);
    gci_text_add(&path, TASK_DIRECTORY "/");
    gci_text_add_decimal(&path, id);
    gci_text_add(&path, "/status");
    int file = file_open_to_read(path.bytes);
    ssize_t length = file < 0 ? 0 : file_read(file, status, sizeof status - 1);
    if (file >= 0)
        file_close(file);
    errno = saved;
    status[length > 0 ? length : 0] = '\0';
    const char *state = find_field(status, "\nState:");
    const char *blocked = find_field(status, "\nSigBlk:");
    uint64_t mask;
    if (state == NULL || blocked == NULL || !gci_text_read_hex(&blocked, &mask))
        return false;
    return *state == 'S' && (mask >> (signal - 1) & 1) != 0;
}

uint32_t gci_thread_count(void)
{
    int saved = errno;
    struct stat status;
    uint32_t count = 0;
    if (stat(TASK_DIRECTORY, &status) == 0 && status.st_nlink > 2)
        count = (uint32_t)status.st_nlink - 2;
    errno = saved;
    return count;
}

static bool visit_entries(const char *buffer, size_t bytes, bool (*visit)(uint32_t, void *), void *data)
{
    for (size_t at = 0; at < bytes;) {
        const struct directory_entry *entry = (const void *)(buffer + at);
        const char *name = entry->name;
        uint64_t id;
        if (gci_text_read_decimal(&name, &id) && !visit((uint32_t)id, data))
            return false;
        at += entry->length;
    }
    return true;
}

bool gci_thread_each(bool (*visit)(uint32_t id, void *data), void *data)
{
    int saved = errno;
    int directory = file_open(TASK_DIRECTORY, O_RDONLY | O_DIRECTORY, 0);
    bool complete = false;
    if (directory >= 0) {
        char buffer[4096] __attribute__((aligned(8)));
        long bytes = syscall(SYS_getdents64, directory, buffer, sizeof buffer);
        while (bytes > 0 && visit_entries(buffer, (size_t)bytes, visit, data))
            bytes = syscall(SYS_getdents64, directory, buffer, sizeof buffer);
        complete = bytes == 0;
        file_close(directory);
    }
    errno = saved;
    return complete;
}

/* ---- glibc's thread descriptor ------------------------------------------------------------------------------------ */

/* The descriptor lies at the thread pointer and its layout is private. What we need of it is found by its contents. The
 * functions that would tell hold a lock of the descriptor while they allocate, so malloc cannot call them. */
#define DESCRIPTOR_WORDS 256
#define OFFSET_UNKNOWN ((size_t)-1)

uintptr_t gci_thread_control_block(void)
{
    return (uintptr_t)pthread_self();
}

/* Above the descriptor the stack holds only its own rest and what rounds it up to pages. */
#define ABOVE_DESCRIPTOR_BYTES 65536u

/* Start, size and guard size of the stack are three words in a row. The stack holds both this frame and the descriptor,
 * and ends right behind the descriptor, which no other three words would have in common. */
READS_RAW_MEMORY static bool describes_stack(const uintptr_t *words, uintptr_t inside)
{
    const uintptr_t page_mask = 4095;
    uintptr_t lo = words[0];
    uintptr_t bytes = words[1];
    uintptr_t guard = words[2];
    uintptr_t descriptor = gci_thread_control_block();
    bool is_aligned = (lo & page_mask) == 0 && (bytes & page_mask) == 0 && (guard & page_mask) == 0;
    bool holds_frame = lo != 0 && lo < inside && inside < descriptor && bytes > descriptor - lo;
    return is_aligned && holds_frame && bytes - (descriptor - lo) <= ABOVE_DESCRIPTOR_BYTES && guard < bytes;
}

/* A stack that the program brought has no guard of the C library's. */
READS_RAW_MEMORY struct range gci_thread_stack(bool *is_kept)
{
    *is_kept = false;
    const uintptr_t *descriptor = (const uintptr_t *)gci_thread_control_block(); // NOLINT(performance-no-int-to-ptr)
    uintptr_t inside = (uintptr_t)__builtin_frame_address(0);
    for (size_t i = 0; i + 2 < DESCRIPTOR_WORDS; i++)
        if (describes_stack(descriptor + i, inside)) {
            *is_kept = descriptor[i + 2] != 0;
            return (struct range){descriptor[i], descriptor[i] + descriptor[i + 1]};
        }
    return (struct range){0, 0};
}

/* At the top of the stack lie the strings that the kernel passes to a program, its path the highest. Below it the kernel keeps
 * this much free of mappings of its own choice, whatever the limit of the stack (mmap_base in arch/x86/mm/mmap.c). */
#define MAIN_STACK_BYTES (UINT64_C(128) << 20)

struct range gci_thread_main_stack(void)
{
    uintptr_t top = (uintptr_t)getauxval(AT_EXECFN);
    return top > MAIN_STACK_BYTES ? (struct range){top - MAIN_STACK_BYTES, top} : (struct range){0, 0};
}

/* The key's value counts the rounds of destructors that are left: other keys' destructors still use the heap, so ours
 * passes until the last round that POSIX promises. */
static pthread_key_t exit_key;
static void (*on_exit_of_thread)(void);
static bool has_exit_key;

static void run_exit_round(void *rounds)
{
    uintptr_t left = (uintptr_t)rounds;
    if (left > 1 && pthread_setspecific(exit_key, (void *)(left - 1)) == 0) // NOLINT(performance-no-int-to-ptr)
        return;
    on_exit_of_thread();
}

int gci_thread_exit_init(void (*at_exit)(void))
{
    on_exit_of_thread = at_exit;
    int error = pthread_key_create(&exit_key, run_exit_round);
    has_exit_key = error == 0;
    return error;
}

void gci_thread_ask_exit_call(void)
{
    if (has_exit_key)
        pthread_setspecific(exit_key, (void *)(uintptr_t)PTHREAD_DESTRUCTOR_ITERATIONS); // NOLINT
}

READS_RAW_MEMORY static size_t find_id_offset(void)
{
    const uint32_t *descriptor = (const uint32_t *)gci_thread_control_block(); // NOLINT
    uint32_t id = gci_thread_id();
    for (size_t i = 0; i < DESCRIPTOR_WORDS * sizeof(uintptr_t) / sizeof *descriptor; i++)
        if (descriptor[i] == id)
            return i * sizeof *descriptor;
    return OFFSET_UNKNOWN;
}

/* The descriptor starts with a pointer to itself and repeats it in its third word (tcbhead_t): fresh memory mapped at
 * the same place does not. The kernel zeroes the id when the thread is gone (CLONE_CHILD_CLEARTID), and pthread_join makes
 * it negative. */
static size_t id_offset(void)
{
    static size_t offset; /* written once with the one right value: a race writes the same */
    if (offset == 0)
        offset = find_id_offset();
    return offset;
}

enum block_owner gci_thread_block_owner(uintptr_t control_block, bool (*read)(void *, uintptr_t, size_t))
{
    uintptr_t head[CONTROL_BLOCK_KEPT_BYTES / sizeof(uintptr_t)]; /* in the second, its thread-local storage */
    uint32_t id;
    if (id_offset() == OFFSET_UNKNOWN || !read(head, control_block, sizeof head) ||
        !read(&id, control_block + id_offset(), sizeof id))
        return BLOCK_OWNER_GONE;
    if (head[0] != control_block || head[2] != control_block)
        return BLOCK_OWNER_GONE;
    if ((int32_t)id > 0)
        return BLOCK_OWNER_ALIVE;
    return id == 0 ? BLOCK_OWNER_ENDED : BLOCK_OWNER_JOINED; /* the kernel writes the 0, pthread_join -1 */
}

bool gci_thread_may_run(uintptr_t control_block, bool (*read)(void *, uintptr_t, size_t))
{
    return id_offset() == OFFSET_UNKNOWN || gci_thread_block_owner(control_block, read) == BLOCK_OWNER_ALIVE;
}

/* ---- Threads of the C library ------------------------------------------------------------------------------------- */

struct beginning {
    void (*run)(void);
    void (*ended)(void);
};

/* Its destructor runs however the thread ends. */
static pthread_key_t ended_key;
static pthread_once_t ended_once = PTHREAD_ONCE_INIT;
static int ended_failure;

static void call_ended(void *beginning)
{
    void (*ended)(void) = ((const struct beginning *)beginning)->ended;
    free(beginning);
    ended();
}

static void make_ended_key(void)
{
    ended_failure = pthread_key_create(&ended_key, call_ended);
}

static void *begin(void *beginning)
{
    if (pthread_setspecific(ended_key, beginning) == 0)
        ((const struct beginning *)beginning)->run();
    else
        call_ended(beginning);
    return NULL;
}

int gci_thread_start(void (*run)(void), void (*ended)(void))
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all;
    sigset_t before;
    pthread_once(&ended_once, make_ended_key);
    struct beginning *beginning = ended_failure != 0 ? NULL : malloc(sizeof *beginning);
    if (beginning == NULL)
        return ENOMEM;
    *beginning = (struct beginning){run, ended};
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int failure = pthread_create(&thread, &attributes, begin, beginning);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure != 0)
        free(beginning);
    return failure;
}

/* ---- Workers ------------------------------------------------------------------------------------------------------ */

/* On clone(2), with the caller's thread-local storage. The kernel clears the thread's id and wakes who waits for it when it has
 * left its stack. */
#define STACK_ALIGNMENT 16

bool gci_worker_start(struct worker *worker, struct range stack, int (*run)(void *data), void *data)
{
    int saved = errno;
    void *top = (void *)align_down(stack.hi, STACK_ALIGNMENT); // NOLINT(performance-no-int-to-ptr)
    bool done = !SANITIZER_KNOWS_THREADS && clone(run, top, CLONE_THREAD_FLAGS, data, &worker->thread_id,
                                                  context_thread_pointer(), &worker->thread_id) > 0;
    errno = saved;
    return done;
}

/* The kernel's wake-up is of the shared kind. */
void gci_worker_join(const struct worker *worker)
{
    int saved = errno;
    uint32_t id;
    while ((id = u32_load_acquire(&worker->thread_id)) != 0)
        syscall(SYS_futex, &worker->thread_id, FUTEX_WAIT, id, NULL, NULL, 0);
    errno = saved;
}

uint32_t gci_worker_processors(void)
{
    int saved = errno;
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    errno = saved;
    return count > 0 ? (uint32_t)count : 1;
}
