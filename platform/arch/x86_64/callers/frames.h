/* SPDX-License-Identifier: MIT */
/* What the two walkers of the stack share: frames.c, which makes a whole walk, and trail_walk.c, which makes what has changed
 * since the last one. For these two alone.
 *
 * A walk holds a place in the code and its stack pointer, and where the caller's rbp and rbx are. Each step finds the rule of
 * the place, in a cache or in the module's tables, and computes the next frame. Plain rules in the cache are followed in line
 * (frames_step_plainly); all else is done by gci_frames_step.
 */
#ifndef GCI_FRAMES_H
#define GCI_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#include "base/atomic.h"
#include "base/attributes.h"
#include "base/bits.h"
#include "base/range.h"
#include "frame_rule.h"
#include "platform/image.h"

typedef const uintptr_t MAY_ALIAS stack_word;

#define WORD_BYTES sizeof(uintptr_t)

/* ---- The cache of rules ------------------------------------------------------------------------------------------- */

/* gcc's own compiler allocates from 6,000 places, most programs from a few hundred. A set is a cache line. */
#define FRAMES_CACHE_WAYS 4u
#define FRAMES_CACHE_LOG2 14
#define FRAMES_CACHE_ENTRIES (1u << FRAMES_CACHE_LOG2)

struct frames_entry {
    shared_word tag; /* place ^ identity ^ mixed(rule) */
    shared_word rule;
};
extern struct frames_entry gci_frames_cache[FRAMES_CACHE_ENTRIES] HIDDEN;

/* Two rules that differ give words that differ in the upper bits, which no place has. */
ALWAYS_INLINE uint64_t frames_mixed(uint64_t rule)
{
    return rule * GOLDEN_ODD;
}

ALWAYS_INLINE size_t frames_index(uintptr_t at)
{
    return at & (FRAMES_CACHE_ENTRIES - 1);
}

ALWAYS_INLINE bool frames_look_into(const struct frames_entry *entry, uint64_t key, struct frame_rule *rule)
{
    uint64_t word = word_load(&entry->rule);
    __builtin_memcpy(rule, &word, sizeof *rule);
    return (word_load(&entry->tag) ^ frames_mixed(word)) == key;
}

/* ---- A walk ------------------------------------------------------------------------------------------------------- */

struct frame {
    uintptr_t at; /* in the instruction that runs */
    uintptr_t sp;
    stack_word *rbp; /* where they are now; can be read */
    stack_word *rbx;
};

struct walk {
    struct frame frame;
    uintptr_t top;         /* everything from sp to here can be read */
    bool may_rise;         /* the top is only how far pages were tried */
    const greg_t *context; /* of a frame that a signal has interrupted: its registers; or NULL */
    uintptr_t rbp;         /* what frame.rbp and frame.rbx point at where the stack does not hold them for good */
    uintptr_t rbx;
    struct module module; /* one that was found, or empty */
};

/* The part of a walk that is in registers while it follows plain rules. */
struct frames_pass {
    struct frame frame;
    uintptr_t top;
    struct range module; /* of the last step that was not plain */
    uint64_t identity;
};

/* At the caller of a function: rbp, rbx and the return address lie at `registers`, on the stack. */
void gci_frames_begin(struct walk *walk, struct frames_pass *pass, const uintptr_t *registers);

/* For steps that are not plain, on a known stack, where no signal has come between. */
void gci_frames_resume(struct walk *walk, const struct frames_pass *pass);

/* Rule of walk->frame. */
struct frame_rule gci_frames_rule(struct walk *walk);

/* Any step; false: there is none. */
bool gci_frames_step(struct walk *walk);

ALWAYS_INLINE void frames_leave_pass(struct walk *walk, const struct frames_pass *pass)
{
    walk->frame = pass->frame;
}

ALWAYS_INLINE void frames_enter_pass(const struct walk *walk, struct frames_pass *pass)
{
    pass->frame = walk->frame;
    pass->module = walk->module.range;
    pass->identity = walk->module.identity;
    pass->top = walk->context == NULL ? walk->top : pass->frame.sp; /* steps take what a signal has interrupted, too */
}

/* Follows a plain rule if all that it reads lies between sp and top. */
READS_RAW_MEMORY ALWAYS_INLINE bool frames_step_by(struct frame *frame, uintptr_t top, struct frame_rule rule)
{
    uintptr_t base = frame->sp;
    if (rule.how != FRAME_BY_RSP) {
        if (UNLIKELY((uint8_t)(rule.how - 1) >= FRAME_BY_RBX))
            return false;
        base = rule.how == FRAME_BY_RBP ? *frame->rbp : *frame->rbx;
    }
    stack_word *cfa = (stack_word *)(base + (uintptr_t)(intptr_t)rule.offset); // NOLINT(performance-no-int-to-ptr)
    intptr_t bytes = (intptr_t)((uintptr_t)cfa - frame->sp);
    if (UNLIKELY((uintptr_t)cfa > top || bytes < (intptr_t)(rule.reach * WORD_BYTES)))
        return false;
    frame->rbp = rule.rbp_slot != 0 ? cfa - rule.rbp_slot : frame->rbp;
    frame->rbx = rule.rbx_slot != 0 ? cfa - rule.rbx_slot : frame->rbx;
    frame->sp = (uintptr_t)cfa;
    frame->at = cfa[-1] - 1;
    return true;
}

/* False: nothing is done, gci_frames_step has to. */
ALWAYS_INLINE bool frames_step_plainly(struct frames_pass *pass, struct frame_rule *rule)
{
    uintptr_t at = pass->frame.at;
    uint64_t key = at ^ (range_contains(pass->module, at) ? pass->identity : 0);
    return LIKELY(frames_look_into(&gci_frames_cache[frames_index(at)], key, rule) &&
                  frames_step_by(&pass->frame, pass->top, *rule));
}

/* ---- Stacks ------------------------------------------------------------------------------------------------------- */

/* A stack whose bounds this thread knows, in two words that a signal handler may see half written: empty then. */
extern __thread volatile uintptr_t gci_frames_stack_lo TLS_INITIAL_EXEC HIDDEN;
extern __thread volatile uintptr_t gci_frames_stack_hi TLS_INITIAL_EXEC HIDDEN;

ALWAYS_INLINE bool frames_is_known(uintptr_t sp)
{
    return sp >= gci_frames_stack_lo && sp < gci_frames_stack_hi;
}

/* Whether the calling thread's stack, or the main one, holds it; its bounds are known then. */
bool gci_frames_learn_stack(uintptr_t sp);

/* How often libraries were closed. */
extern shared_word gci_frames_closed HIDDEN;

#endif
