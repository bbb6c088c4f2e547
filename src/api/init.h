/* SPDX-License-Identifier: MIT */
/* Start-up: what happens in which order, and what the other files of api may ask for. */
#ifndef GCI_API_INIT_H
#define GCI_API_INIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

/* Referred to by the allocators' files, so that the constructor is linked with them. */
extern const char gci_init_link;

/* gca_version by a name in front of which no other library can stand. api/gcalloc.c */
const char *gci_init_own_version(void) HIDDEN;

/* In the library whose malloc is the process's. api/malloc.c */
extern const char gci_init_malloc_link HIDDEN;

/* Parses the environment; prints one line for each bad value or unknown name. api/options.c */
void gci_options_from_environment(void);

/* Chooses mode free in programs that are known to hide pointers, unless the environment names a mode. api/programs/hidden.c */
void gci_hidden_choose_mode(void);

/* Whether the constructor has done its work: there are programs in which it does nothing. */
bool gci_init_has_started(void);

/* What an option's new value asks for; runs after start and after each gca_option_set. False: it cannot be had. */
bool gci_init_apply_options(void);

/* The profile that the environment asks for. api/report/profile.c */
void gci_profile_start_by_options(void);

/* From here on the signal that the options name begins and ends profiles. */
void gci_profile_take_signal(void);

/* What has to stop threads needs the signal, which mode free does without until then. False: none is free. */
bool gci_init_take_signal(void);

/* The calling thread has run its destructors: its alternate signal stack goes where it was made here. api/interpose/signals.c */
void gci_signals_thread_ends(void);

/* Registers the handlers of fork. api/fork.c */
void gci_fork_init(void);

/* Cycle reports to standard error and to the program's callback. api/report/events.c */
struct cycle_report;
void gci_events_report(const struct cycle_report *report);
void gci_events_lock(void); /* these three around fork */
void gci_events_unlock(void);
void gci_events_reset_lock(void);

/* The report of leaks at process exit, in mode leaks. api/report/leaks.c */
void gci_leaks_init(void);

/* The calling thread ends the process: what it does from here on holds nothing. */
struct roots_caller;
void gci_leaks_note_exit(const struct roots_caller *caller);

/* The thread that runs finalizers, where the option asks for one. At calls of the program that may start it; when something has
 * become due; when the option has changed; in a fork child; when the process exits. api/objects/runner.c */
void gci_runner_offer(void);
void gci_runner_wake(void);
void gci_runner_apply(void);
void gci_runner_reset(void);
void gci_runner_at_exit(void);

/* Figures at process exit, as the options ask. api/report/stats.c */
void gci_stats_init(void);
void gci_stats_at_exit(void);

#endif
