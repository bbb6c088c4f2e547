/* SPDX-License-Identifier: MIT */
/* What the option verify has a collection do: mark once more from the same root words, simply (mark/verify.h), and compare.
 *
 * The words are kept while they are marked for the first time and not read again: memory may change that no thread of the
 * process writes, such as that of a tool the program runs in, which holds the registers of the thread that collects, and
 * memory that is shared with another process. Only the stacks of stopped threads are looked at again: nothing may have changed
 * there. Used by cycle.c alone, world stopped.
 */
#ifndef GCI_COLLECT_AGAIN_H
#define GCI_COLLECT_AGAIN_H

#include "platform/pages.h"
#include "world/roots.h"

/* Forgets the words of the collection before. */
void gci_again_begin(void);

/* Before they are marked: words that lead to no place in the heap are passed over. */
void gci_again_keep(const struct root_piece *piece);

/* After the marking. Ends the process with one line if something differs; the marks of the second marking stay. Where there is no
 * memory for it nothing is compared, which is noted. */
void gci_again_compare(const struct page_reader *pages);

/* World running, no lock held: one line for each process in which a marking was not compared. */
void gci_again_tell(void);

#endif
