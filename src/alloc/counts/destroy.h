/* SPDX-License-Identifier: MIT */
/* The end of counted objects: destroy functions and memory, in steps.
 *
 * Destroy functions never nest. What one of them releases last waits in a list of the thread until it has returned, so a list
 * of any length takes constant stack; and after DESTROY_STEP objects the rest is left for the thread's next gca_rc_new or last
 * release, each of which goes on as far, or for its gca_finalize_run, gca_collect or end, which finish it. Between, it hangs on
 * the cache of its thread (heap/cache.h: left). Only that thread puts something there, and only when nothing is there; once it
 * has ended anybody takes it, all at once.
 *
 * What collections have set aside goes in such steps too, but in anybody's gca_rc_new: a thread takes it, goes one step, and
 * gives back what is left.
 */
#ifndef GCI_ALLOC_DESTROY_H
#define GCI_ALLOC_DESTROY_H

#include "heap/special/counted.h"

/* Some 30 microseconds of the library's own time: a release takes no longer than that and what destroy functions take. */
#define DESTROY_STEP 1000u

/* The calling thread's list, by `link`, and where in it the next one is put: in front, but behind what the same destroy function
 * has released before. So objects go in the order in which a program that frees by hand takes them, which is often that of
 * their addresses. Thread-local storage is a root. */
struct destroying {
    uintptr_t pending;
    uintptr_t *place;
    bool is_running; /* a function of the program's that one of those below has called */
};
extern __thread struct destroying gci_destroying TLS_INITIAL_EXEC HIDDEN;

/* The object, and as far as a step goes what follows from it. */
void gci_destroy_step(struct counted *counted);

/* No reference is left, and nobody else can find the object. */
ALWAYS_INLINE void destroy_now_or_later(struct counted *counted)
{
    struct destroying *self = &gci_destroying;
    if (!self->is_running) {
        gci_destroy_step(counted);
        return;
    }
    counted_set_state(counted, COUNTED_DYING);
    counted->link = *self->place;
    *self->place = (uintptr_t)counted;
    self->place = &counted->link;
}

/* Between the two, objects that end are only listed, as within a destroy function, in front of what earlier releases of this
 * thread have left; gci_destroy_go then takes one step, with `with_due` first through what collections have set aside. Pairs do
 * not nest, nor do they stand within a destroy function. */
void gci_destroy_hold(void);
void gci_destroy_go(bool with_due);

/* All that releases of this thread and of those that have ended have left, and what collections have set aside: cycles as one
 * batch, finalizers. Both return for how many objects. Not inside a function of the program's that one of these calls. */
size_t gci_destroy_rest(void);
size_t gci_destroy_due(void);

ALWAYS_INLINE bool destroy_is_running(void)
{
    return gci_destroying.is_running;
}

/* All that the calling thread, which ends, has still to destroy. */
void gci_destroy_thread_ends(void);

#endif
