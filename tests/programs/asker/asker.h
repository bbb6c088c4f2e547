/* SPDX-License-Identifier: MIT */
#ifndef TESTS_PROGRAMS_ASKER_H
#define TESTS_PROGRAMS_ASKER_H

/* In the program, in the library that asks, and in one that comes after it; each says who it is. */
enum who { THE_PROGRAM, THE_ASKER, THE_NEXT };
enum who who_is_asked(void);

/* The asker's answers: whom it finds behind itself, and whether it finds a library where its own path alone leads. */
enum who asker_finds_next(void);
int asker_opens(const char *name);

#endif
