/* SPDX-License-Identifier: MIT */
/* Options that take one of a few words. */
#ifndef GCI_CLI_CHOICE_H
#define GCI_CLI_CHOICE_H

/* The place of the word among `words`, which are separated by '|', from 0 on. -1 after one line that names the option, such as
 * "--mode", and all of them. */
int gci_choice_find(const char *option, const char *words, const char *word);

#endif
