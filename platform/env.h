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

/* Value of an environment variable or NULL; NULL always where the process runs with more rights than its caller. */
const char *gci_env_get(const char *name);

uint64_t gci_env_random(void);

/* Writes "gcalloc: TEXT\n" to standard error in one piece. */
void gci_env_report(const struct text *text);
void gci_env_report_string(const char *string);

/* Reports go to today's standard error from here on, even if the program closes it: for reports at exit. */
void gci_env_keep_error_stream(void);

/* All of it, or false with errno set. A file of the caller's; not a line for people. */
bool gci_env_write(int file, const void *bytes, size_t count);

/* Where reports go: see gci_env_keep_error_stream. */
int gci_env_error_stream(void);

/* gci_env_report, then abort. */
NORETURN void gci_env_die(const struct text *text);

/* Appends the text to a file, created with mode 0600; symbolic links are not followed. False if it could not. */
bool gci_env_append_line(const char *path, const char *line, size_t bytes);

/* ---- Requests of another process (base/request_format.h) ---------------------------------------------------------- */

/* Takes the request and gives its line. False: there is none, or not one of this user's. */
bool gci_env_take_request(char line[REQUEST_BYTES_MAX]);

/* A new file for what is asked for, or -1 with errno set. */
int gci_env_open_result(void);
void gci_env_close(int file);

/* Shown all at once. */
void gci_env_answer(const char *line);

/* Shows others that the process answers, and to which signal. `version`: static storage; NULL: as before. */
void gci_env_show_beacon(int signal, const char *version);
void gci_env_hide_beacon(void);

/* ---- The program -------------------------------------------------------------------------------------------------- */

/* Last component of the path of the running program, in static storage. */
const char *gci_env_program(void);

#endif
