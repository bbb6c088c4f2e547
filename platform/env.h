/* SPDX-License-Identifier: MIT */
/* Contract: the process's surroundings. Nothing here allocates; errno is kept. */
#ifndef GCI_PLATFORM_ENV_H
#define GCI_PLATFORM_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/request_format.h"
#include "base/text.h"

/* For the time before the C library has its own: the environment as constructors get it. */
void gci_env_use(char **environment);

/* The entries of the environment, up to NULL; none where the process runs with more rights than its caller. */
char *const *gci_env_all(void);

/* Value of an environment variable or NULL. */
const char *gci_env_get(const char *name);

uint64_t gci_env_random(void);

/* Writes "gcalloc: TEXT\n" to standard error in one piece. */
void gci_env_report(const struct text *text);
void gci_env_report_string(const char *string);

/* Reports go to today's standard error from here on, even if the program closes it: for reports at exit. */
void gci_env_keep_error_stream(void);

/* All of it, or false with errno set. A file of the caller's; not a line for people. Nothing that writes here brings a signal to
 * the program where nobody reads the pipe or the limit of file sizes is passed. */
bool gci_env_write(int file, const void *bytes, size_t count);

/* In a sandbox (platform/vm.h: gci_vm_confine) nothing is called but what writes, so that signals come. */
void gci_env_confine(bool is_confined);

/* Whether a filter that the process is about to install (on Linux the struct sock_fprog of seccomp) lets all calls through that
 * this library may ever make, whatever their arguments are. False where that is not certain. */
bool gci_env_filter_permits(const void *filter);

/* Where reports go: see gci_env_keep_error_stream. */
int gci_env_error_stream(void);

/* gci_env_report, then abort. */
NORETURN void gci_env_die(const struct text *text);

/* Appends the text to a file, created with mode 0600; symbolic links are not followed. False if it could not. */
bool gci_env_append_line(const char *path, const char *line, size_t bytes);

/* A file that only this process writes to, whole pieces one after the other. No descriptor stays open: programs close those that
 * they do not know and use the numbers again, and a child would share it. */
struct growing_file {
    char path[4096]; /* absolute */
    uint64_t device; /* these two tell the file from another that has come to its place */
    uint64_t number;
    uint64_t bytes; /* of the pieces */
};

/* The file must not be there yet; mode 0600. 0 or an errno value. */
int gci_env_file_create(struct growing_file *file, const char *path);

/* The first bytes of a file that is there and plain; how many were read. *changed_ns: when it was last written to, since 1970,
 * some milliseconds early. */
size_t gci_env_file_head(const char *path, void *to, size_t limit, uint64_t *changed_ns);

/* When this process began, in nanoseconds since 1970: exec does not change it. UINT64_MAX: not known. */
uint64_t gci_env_process_start_ns(void);

/* All of the piece or nothing: what could be written of it is taken back. 0 or an errno value; ESTALE: it is another file. */
int gci_env_file_append(struct growing_file *file, const void *bytes, size_t count);

/* Path of the running program, and then the words of its command line, each with its zero byte; what does not fit is cut
 * between two words. Returns the bytes, *words: how many words. */
size_t gci_env_command(char *to, size_t limit, uint32_t *words);

/* ---- Requests of another process (base/request_format.h) ---------------------------------------------------------- */

/* Takes the request and gives its line. False: there is none, or not one of this user's. */
bool gci_env_take_request(char line[REQUEST_BYTES_MAX]);

/* Where what is asked for belongs; nothing is there. */
bool gci_env_result_path(char path[REQUEST_PATH_BYTES]);

/* Shown all at once. */
void gci_env_answer(const char *line);

/* Shows others that the process answers, and to which signal. `version`: static storage; NULL: as before. */
void gci_env_show_beacon(int signal, const char *version);
void gci_env_hide_beacon(void);

/* ---- The program -------------------------------------------------------------------------------------------------- */

/* Last component of the path of the running program, in static storage. */
const char *gci_env_program(void);

#endif
