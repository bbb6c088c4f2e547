/* SPDX-License-Identifier: MIT */
/* The callers of a function (platform/context.h), by the rules of frame_rule.h. How a walk goes on is in frames.h.
 *
 * What may be read. Frames only go up, so on a stack of known bounds everything between the stack pointer and its top can
 * be: the calling thread's own stack, and that of the main thread. On others (alternate stacks, coroutines) each page is tried
 * before it is read. Code without tables, as compilers at run time make it, is passed by its frame pointer if that is one.
 *
 * The cache is a table of pairs without a lock. Writers may mix their pairs; a reader sees it, as one word of a pair is the
 * place mixed with the other word. The place alone is the key in modules that stay for good; in others their identity is part
 * of it, and how often libraries were closed, so what was noted of a module that has gone is not found for the next one.
 */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <ucontext.h>

#include "base/atomic.h"
#include "base/bits.h"
#include "base/range.h"
#include "frames.h"
#include "platform/context.h"
#include "platform/image.h"
#include "platform/pages.h"
#include "platform/thread.h"

struct frames_entry gci_frames_cache[FRAMES_CACHE_ENTRIES] CACHE_ALIGNED;

/* ---- Cache -------------------------------------------------------------------------------------------------------- */

static bool look_up(uintptr_t at, uint64_t identity, struct frame_rule *rule)
{
    for (size_t way = 0; way < FRAMES_CACHE_WAYS; way++)
        if (frames_look_into(&gci_frames_cache[frames_index(at) ^ way], at ^ identity, rule))
            return true;
    return false;
}

static void remember(uintptr_t at, uint64_t identity, struct frame_rule rule)
{
    struct frames_entry *entry = &gci_frames_cache[frames_index(at)];
    for (size_t way = 0; way < FRAMES_CACHE_WAYS; way++)
        if (word_load(&gci_frames_cache[frames_index(at) ^ way].tag) == 0) {
            entry = &gci_frames_cache[frames_index(at) ^ way];
            break;
        }
    uint64_t word;
    memcpy(&word, &rule, sizeof word);
    word_store(&entry->rule, word);
    word_store(&entry->tag, at ^ identity ^ frames_mixed(word));
}

shared_word gci_frames_closed;

void gci_context_forget_closed(void)
{
    word_add(&gci_frames_closed, 1);
}

/* ---- A walk ------------------------------------------------------------------------------------------------------- */

#define RED_ZONE_BYTES 128 /* System V ABI, x86-64, section 3.2.2 */

__thread volatile uintptr_t gci_frames_stack_lo TLS_INITIAL_EXEC;
__thread volatile uintptr_t gci_frames_stack_hi TLS_INITIAL_EXEC;

NOINLINE bool gci_frames_learn_stack(uintptr_t sp)
{
    bool is_kept;
    struct range stack = gci_thread_main_stack();
    if (!range_contains(stack, sp))
        stack = gci_thread_stack(&is_kept);
    if (!range_contains(stack, sp))
        return false;
    gci_frames_stack_hi = 0;
    gci_frames_stack_lo = stack.lo;
    gci_frames_stack_hi = stack.hi;
    return true;
}

ALWAYS_INLINE void enter_stack(struct walk *walk, uintptr_t sp)
{
    walk->may_rise = UNLIKELY(!frames_is_known(sp)) && !gci_frames_learn_stack(sp);
    walk->top = walk->may_rise ? sp : gci_frames_stack_hi;
}

#define PAGE_BYTES 4096u
#define FRAME_PAGES_MAX 256 /* of one frame on a stack without known bounds */

/* Whether everything up to `limit` can be read; pages are tried if need be. */
static bool reaches(struct walk *walk, uintptr_t limit)
{
    if (limit < walk->frame.sp)
        return false;
    if (!walk->may_rise || limit <= walk->top)
        return limit <= walk->top;
    if (limit - walk->top > (uintptr_t)FRAME_PAGES_MAX * PAGE_BYTES)
        return false;
    while (walk->top < limit) {
        if (!gci_pages_is_readable(walk->top))
            return false;
        walk->top = align_down(walk->top, PAGE_BYTES) + PAGE_BYTES;
    }
    return true;
}

/* A word of the current frame, or of the area below an interrupted one that the end of a function has popped already. */
READS_RAW_MEMORY static bool read_word(struct walk *walk, uintptr_t address, uintptr_t *word)
{
    bool is_popped = walk->context != NULL && address < walk->frame.sp && walk->frame.sp - address <= RED_ZONE_BYTES;
    if (address > UINTPTR_MAX - WORD_BYTES || address % WORD_BYTES != 0)
        return false;
    if (is_popped ? !gci_pages_is_readable(address) : address < walk->frame.sp || !reaches(walk, address + WORD_BYTES))
        return false;
    *word = *(stack_word *)address; // NOLINT(performance-no-int-to-ptr)
    return true;
}

/* ---- Steps that the loop leaves to others ------------------------------------------------------------------------- */

static bool find_module(struct walk *walk, uintptr_t at)
{
    struct module *module = &walk->module;
    if (range_contains(module->range, at))
        return true;
    if (!gci_image_find_module(at, module)) {
        module->range = (struct range){0, 0};
        return false;
    }
    if (module->identity != 0)
        module->identity ^= word_load(&gci_frames_closed) * GOLDEN_ODD;
    return true;
}

/* Rule of the current place. walk->module is then the module that holds it, if the tables had to be asked. */
struct frame_rule gci_frames_rule(struct walk *walk)
{
    const struct frame_rule rule_unknown = {.how = FRAME_UNKNOWN};
    struct frame_rule rule;
    uintptr_t at = walk->frame.at;
    if (look_up(at, 0, &rule))
        return rule;
    if (!find_module(walk, at))
        return rule_unknown;
    if (walk->module.identity != 0 && look_up(at, walk->module.identity, &rule))
        return rule;
    rule = gci_frame_rule_find(&walk->module, at);
    remember(at, walk->module.identity, rule);
    return rule;
}

/* glibc's numbers of registers in a context, by those of the unwind tables. */
static const uint8_t context_index[FRAME_RIP] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
                                                 REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                                 REG_R12, REG_R13, REG_R14, REG_R15};

READS_RAW_MEMORY static bool read_register(const struct walk *walk, unsigned number, uintptr_t *value)
{
    if (number == FRAME_RSP)
        *value = walk->frame.sp;
    else if (number == FRAME_RBP)
        *value = *walk->frame.rbp;
    else if (number == FRAME_RBX)
        *value = *walk->frame.rbx;
    else if (walk->context != NULL)
        *value = (uintptr_t)walk->context[context_index[number]];
    else
        return false;
    return true;
}

static bool find_cfa(struct walk *walk, struct frame_rule rule, uintptr_t *cfa)
{
    enum frame_kind kind = frame_kind(rule);
    unsigned number = rule.how >> FRAME_REGISTER_SHIFT;
    if (kind < FRAME_DIRECT)
        number = kind == FRAME_BY_RSP ? FRAME_RSP : (kind == FRAME_BY_RBP ? FRAME_RBP : FRAME_RBX);
    if (!read_register(walk, number, cfa))
        return false;
    *cfa += (uintptr_t)(intptr_t)rule.offset;
    if (kind == FRAME_INDIRECT) {
        if (!read_word(walk, *cfa, cfa))
            return false;
        *cfa += rule.reach * WORD_BYTES;
    }
    return *cfa > walk->frame.sp;
}

/* A register that cannot be read back is left as it is. */
static void restore(struct walk *walk, uintptr_t top_slot, uint8_t slot, stack_word **place, uintptr_t *value)
{
    if (slot != 0 && read_word(walk, top_slot - slot * WORD_BYTES, value))
        *place = value;
}

/* Any rule that computes a CFA, with every read checked by itself. At the end of a function that aligns its frame the tables
 * still find registers by rbp when that is the caller's already: it is outside the frame then, and they are as they were. */
READS_RAW_MEMORY static bool step_by_rule(struct walk *walk, struct frame_rule rule)
{
    uintptr_t cfa;
    uintptr_t return_address;
    struct frame *frame = &walk->frame;
    uintptr_t rbp = *frame->rbp;
    if (!find_cfa(walk, rule, &cfa) || !read_word(walk, cfa - WORD_BYTES, &return_address))
        return false;
    bool is_by_rbp = (rule.how & FRAME_SLOTS_BY_RBP) != 0;
    if (!is_by_rbp || (rbp >= frame->sp && rbp < cfa)) {
        uintptr_t top_slot = is_by_rbp ? rbp + WORD_BYTES : cfa;
        restore(walk, top_slot, rule.rbp_slot, &frame->rbp, &walk->rbp);
        restore(walk, top_slot, rule.rbx_slot, &frame->rbx, &walk->rbx);
    }
    frame->sp = cfa;
    frame->at = return_address - 1;
    walk->context = NULL;
    return return_address != 0;
}

/* The handler's stack pointer is the address of the context that the kernel keeps for its return. */
READS_RAW_MEMORY static bool step_over_signal(struct walk *walk)
{
    const ucontext_t *interrupted = (const ucontext_t *)walk->frame.sp; // NOLINT(performance-no-int-to-ptr)
    const greg_t *registers = interrupted->uc_mcontext.gregs;
    if (walk->frame.sp % WORD_BYTES != 0 || !reaches(walk, (uintptr_t)registers + sizeof(gregset_t)))
        return false;
    walk->context = registers;
    walk->rbp = (uintptr_t)registers[REG_RBP];
    walk->rbx = (uintptr_t)registers[REG_RBX];
    walk->frame = (struct frame){(uintptr_t)registers[REG_RIP], (uintptr_t)registers[REG_RSP], &walk->rbp, &walk->rbx};
    enter_stack(walk, walk->frame.sp);
    return walk->frame.at != 0 && walk->frame.sp <= INTPTR_MAX; /* distances on the stack have a sign */
}

/* Compilers at run time have their code within this distance of each other. */
#define CODE_RANGE_BYTES (UINT64_C(1) << 30)

static bool may_be_called_from(const struct walk *walk, uintptr_t at)
{
    struct module module;
    if (gci_image_find_module(at, &module))
        return true;
    uintptr_t distance = walk->frame.at - at + CODE_RANGE_BYTES;
    return distance < 2 * CODE_RANGE_BYTES && !gci_image_find_module(walk->frame.at, &module);
}

/* rbp then points at the caller's rbp, which lies higher up and below the return address. */
READS_RAW_MEMORY static bool step_by_frame_pointer(struct walk *walk)
{
    uintptr_t rbp = *walk->frame.rbp;
    uintptr_t next;
    uintptr_t return_address;
    if (rbp < walk->frame.sp || !read_word(walk, rbp, &next) || !read_word(walk, rbp + WORD_BYTES, &return_address))
        return false;
    if ((next != 0 && next <= rbp) || !may_be_called_from(walk, return_address - 1))
        return false;
    walk->rbp = next;
    walk->frame.rbp = &walk->rbp;
    walk->frame.sp = rbp + 2 * WORD_BYTES;
    walk->frame.at = return_address - 1;
    walk->context = NULL;
    return return_address != 0;
}

NOINLINE bool gci_frames_step(struct walk *walk)
{
    struct frame_rule rule = gci_frames_rule(walk);
    switch (frame_kind(rule)) {
    case FRAME_UNKNOWN:
        return step_by_frame_pointer(walk);
    case FRAME_SIGNAL:
        return step_over_signal(walk);
    case FRAME_END:
        return false;
    default:
        return step_by_rule(walk, rule);
    }
}

/* ---- Our own code ------------------------------------------------------------------------------------------------- */

/* In a static library the build gives our code a section of its own, whose ends the linker then names. */
extern const char __start_gcalloc_text[] HIDDEN __attribute__((weak)); // NOLINT(bugprone-reserved-identifier)
extern const char __stop_gcalloc_text[] HIDDEN __attribute__((weak));  // NOLINT(bugprone-reserved-identifier)

static struct range own_code;

void gci_context_callers_init(void)
{
    struct module own;
    gci_image_keep_modules();
    own_code = (struct range){(uintptr_t)__start_gcalloc_text, (uintptr_t)__stop_gcalloc_text};
    if (own_code.lo == 0 && gci_image_find_module((uintptr_t)gci_context_callers_init, &own))
        own_code = own.range;
}

bool gci_context_is_own_code(uintptr_t address)
{
    return range_contains(own_code, address);
}

/* ---- The loop ----------------------------------------------------------------------------------------------------- */

void gci_frames_begin(struct walk *walk, struct frames_pass *pass, const uintptr_t *registers)
{
    walk->frame = (struct frame){registers[2] - 1, (uintptr_t)(registers + 3), &registers[0], &registers[1]};
    walk->context = NULL;
    walk->module.range = (struct range){0, 0};
    walk->module.identity = 0;
    enter_stack(walk, walk->frame.sp);
    frames_enter_pass(walk, pass);
}

void gci_frames_resume(struct walk *walk, const struct frames_pass *pass)
{
    walk->frame = pass->frame;
    walk->context = NULL;
    walk->may_rise = false;
    walk->top = pass->top;
    walk->module.range = (struct range){0, 0};
    walk->module.identity = 0;
}

HIDDEN size_t gci_frames_walk(uintptr_t *addresses, size_t limit, const uintptr_t *registers);

/* registers: rbp, rbx and the return address of the first frame, on the stack. */
size_t gci_frames_walk(uintptr_t *addresses, size_t limit, const uintptr_t *registers)
{
    struct walk walk;
    struct frames_pass pass;
    size_t count = 0;
    gci_frames_begin(&walk, &pass, registers);
    for (; count < limit; count++) {
        struct frame_rule rule;
        if (UNLIKELY(!frames_step_plainly(&pass, &rule))) {
            frames_leave_pass(&walk, &pass);
            if (!gci_frames_step(&walk))
                break;
            frames_enter_pass(&walk, &pass);
        }
        if (pass.frame.at == (uintptr_t)-1)
            break;
        addresses[count] = pass.frame.at + 1;
    }
    return count;
}
