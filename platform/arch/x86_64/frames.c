/* SPDX-License-Identifier: MIT */
/* The callers of a function (platform/context.h), by the rules of frame_rule.h.
 *
 * A walk holds a place in the code and its stack pointer, and where the caller's rbp and rbx are. Each step finds the rule of
 * the place, in a cache or in the module's tables, and computes the next frame. Plain rules in the cache are followed right in
 * the loop of gci_frames_walk; all else is done by step().
 *
 * What may be read. Frames only go up, so on a stack of known bounds everything between the stack pointer and its top can
 * be: the calling thread's own stack, and that of the main thread. On others (alternate stacks, coroutines) each page is tried
 * before it is read. Code without tables, as compilers at run time make it, is passed by its frame pointer if that is one.
 *
 * The cache is a table of pairs without a lock. Writers may mix their pairs; a reader sees it, as one word of a pair is the
 * place mixed with the other word. The place alone is the key in modules that stay for good; in others their identity is part
 * of it, and how often libraries were closed, so what was noted of a module that has gone is not found for the next one.
 *
 * A trail (platform/context.h) notes what the steps of a walk read. Which rule a step follows depends on the place alone.
 */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <ucontext.h>

#include "base/atomic.h"
#include "base/bits.h"
#include "base/range.h"
#include "frame_rule.h"
#include "platform/context.h"
#include "platform/image.h"
#include "platform/pages.h"
#include "platform/thread.h"

typedef const uintptr_t MAY_ALIAS stack_word;

/* ---- Cache -------------------------------------------------------------------------------------------------------- */

/* gcc's own compiler allocates from 6,000 places, most programs from a few hundred. A set is a cache line. */
#define WAYS 4u
#define ENTRIES_LOG2 14
#define ENTRIES (1u << ENTRIES_LOG2)

struct entry {
    shared_word tag; /* place ^ identity ^ mixed(rule) */
    shared_word rule;
};
static struct entry cache[ENTRIES] CACHE_ALIGNED;

#define ODD UINT64_C(0x9e3779b97f4a7c15) /* 2^64 divided by the golden ratio */

/* Two rules that differ give words that differ in the upper bits, which no place has. */
ALWAYS_INLINE uint64_t mixed(uint64_t rule)
{
    return rule * ODD;
}

ALWAYS_INLINE size_t index_of(uintptr_t at)
{
    return at & (ENTRIES - 1);
}

ALWAYS_INLINE bool look_into(const struct entry *entry, uint64_t key, struct frame_rule *rule)
{
    uint64_t word = word_load(&entry->rule);
    memcpy(rule, &word, sizeof *rule);
    return (word_load(&entry->tag) ^ mixed(word)) == key;
}

static bool look_up(uintptr_t at, uint64_t identity, struct frame_rule *rule)
{
    for (size_t way = 0; way < WAYS; way++)
        if (look_into(&cache[index_of(at) ^ way], at ^ identity, rule))
            return true;
    return false;
}

static void remember(uintptr_t at, uint64_t identity, struct frame_rule rule)
{
    struct entry *entry = &cache[index_of(at)];
    for (size_t way = 0; way < WAYS; way++)
        if (word_load(&cache[index_of(at) ^ way].tag) == 0) {
            entry = &cache[index_of(at) ^ way];
            break;
        }
    uint64_t word;
    memcpy(&word, &rule, sizeof word);
    word_store(&entry->rule, word);
    word_store(&entry->tag, at ^ identity ^ mixed(word));
}

static shared_word times_closed;

void gci_context_forget_closed(void)
{
    word_add(&times_closed, 1);
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

#define WORD_BYTES sizeof(uintptr_t)
#define STACK_ALIGNMENT 16u
#define RED_ZONE_BYTES 128 /* System V ABI, x86-64, section 3.2.2 */

/* A stack whose bounds this thread knows, in two words that a signal handler may see half written: empty then. */
static __thread volatile uintptr_t known_lo TLS_INITIAL_EXEC;
static __thread volatile uintptr_t known_hi TLS_INITIAL_EXEC;

static NOINLINE bool learn_stack(uintptr_t sp)
{
    bool is_kept;
    struct range stack = gci_thread_main_stack();
    if (!range_contains(stack, sp))
        stack = gci_thread_stack(&is_kept);
    if (!range_contains(stack, sp))
        return false;
    known_hi = 0;
    known_lo = stack.lo;
    known_hi = stack.hi;
    return true;
}

ALWAYS_INLINE bool is_known(uintptr_t sp)
{
    return sp >= known_lo && sp < known_hi;
}

ALWAYS_INLINE void enter_stack(struct walk *walk, uintptr_t sp)
{
    walk->may_rise = UNLIKELY(!is_known(sp)) && !learn_stack(sp);
    walk->top = walk->may_rise ? sp : known_hi;
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
        module->identity ^= word_load(&times_closed) * ODD;
    return true;
}

/* Rule of the current place. walk->module is then the module that holds it, if the tables had to be asked. */
static struct frame_rule find_rule(struct walk *walk)
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

static NOINLINE bool step(struct walk *walk)
{
    struct frame_rule rule = find_rule(walk);
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

/* ---- Notes for a trail -------------------------------------------------------------------------------------------- */

struct notes {
    struct trail
        *trail; /* its count is past TRAIL_WORDS_MAX when the walk cannot be told by words of the stack alone */
    const struct walk *walk;
    uintptr_t start;
    uintptr_t top;
    uint32_t hint; /* distance of the first return address that is not our own code's */
};

static void give_up(struct notes *notes)
{
    notes->trail->count = TRAIL_WORDS_MAX + 1;
}

/* What a step that is not plain has restored lies in the walk, and was noted where it came from. */
static void note(struct notes *notes, stack_word *at)
{
    struct trail *trail = notes->trail;
    uintptr_t address = (uintptr_t)at;
    if (notes->walk != NULL && (at == &notes->walk->rbp || at == &notes->walk->rbx))
        return;
    if (trail->count >= TRAIL_WORDS_MAX || address < notes->start || address > notes->top - WORD_BYTES ||
        address - notes->start > UINT32_MAX / 2) {
        give_up(notes);
        return;
    }
    uint32_t distance = (uint32_t)(address - notes->start);
    if (trail->reach < distance + WORD_BYTES)
        trail->reach = distance + WORD_BYTES;
    trail->words[trail->count++] = (struct trail_word){.word = *at, .distance = distance};
}

static void note_at(struct notes *notes, uintptr_t address)
{
    note(notes, (stack_word *)address); // NOLINT(performance-no-int-to-ptr)
}

static void note_return(struct notes *notes, const struct frame *to)
{
    note_at(notes, to->sp - WORD_BYTES);
    if (notes->hint == 0 && !gci_context_is_own_code(to->at))
        notes->hint = (uint32_t)(to->sp - WORD_BYTES - notes->start);
}

static void note_plain(struct notes *notes, const struct frame *from, const struct frame *to, struct frame_rule rule)
{
    if (rule.how != FRAME_BY_RSP)
        note(notes, rule.how == FRAME_BY_RBP ? from->rbp : from->rbx);
    note_return(notes, to);
}

/* The register that the CFA is found by. */
static void note_base(struct notes *notes, const struct frame *from, struct frame_rule rule)
{
    enum frame_kind kind = frame_kind(rule);
    unsigned number = rule.how >> FRAME_REGISTER_SHIFT;
    if (kind == FRAME_BY_RBP || (kind >= FRAME_DIRECT && number == FRAME_RBP))
        note(notes, from->rbp);
    else if (kind == FRAME_BY_RBX || (kind >= FRAME_DIRECT && number == FRAME_RBX))
        note(notes, from->rbx);
    else if (kind != FRAME_BY_RSP && number != FRAME_RSP)
        give_up(notes);
}

/* Of a step by any rule that computes a CFA; what it may have restored is noted, used or not. */
static void note_by_rule(struct notes *notes, const struct frame *from, uintptr_t rbp, const struct frame *to,
                         struct frame_rule rule)
{
    bool is_by_rbp = (rule.how & FRAME_SLOTS_BY_RBP) != 0;
    note_base(notes, from, rule);
    if (is_by_rbp)
        note(notes, from->rbp);
    uintptr_t top_slot = is_by_rbp ? rbp + WORD_BYTES : to->sp;
    if (rule.rbp_slot != 0)
        note_at(notes, top_slot - rule.rbp_slot * WORD_BYTES);
    if (rule.rbx_slot != 0)
        note_at(notes, top_slot - rule.rbx_slot * WORD_BYTES);
    note_return(notes, to);
}

/* Does the step that walk->frame is due for. */
static bool step_noted(struct walk *walk, struct notes *notes)
{
    struct frame_rule rule = find_rule(walk);
    enum frame_kind kind = frame_kind(rule);
    struct frame from = walk->frame;
    uintptr_t rbp = *from.rbp; /* may lie in the walk, which the step changes */
    bool is_done = step(walk);
    if (!is_done && kind == FRAME_END)
        return false;
    if (!is_done || kind == FRAME_UNKNOWN || kind == FRAME_SIGNAL || kind == FRAME_INDIRECT)
        give_up(notes);
    else
        note_by_rule(notes, &from, rbp, &walk->frame, rule);
    return is_done;
}

/* ---- The loop ----------------------------------------------------------------------------------------------------- */

/* Follows a plain rule if all that it reads lies between sp and top. */
READS_RAW_MEMORY ALWAYS_INLINE bool step_plainly(struct frame *frame, uintptr_t top, struct frame_rule rule)
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

/* registers: rbp, rbx and the return address of the first frame, on the stack. */
READS_RAW_MEMORY ALWAYS_INLINE size_t walk_from(uintptr_t *addresses, size_t limit, const uintptr_t *registers,
                                                struct notes *notes)
{
    struct frame frame = {registers[2] - 1, (uintptr_t)(registers + 3), &registers[0], &registers[1]};
    struct walk walk;
    walk.context = NULL;
    walk.module.range = (struct range){0, 0};
    walk.frame = frame;
    enter_stack(&walk, frame.sp);
    if (notes != NULL)
        notes->walk = &walk;
    struct range module = {0, 0};
    uint64_t identity = 0;
    size_t count = 0;
    for (uintptr_t top = walk.top; count < limit; count++) {
        struct frame_rule rule;
        struct frame from = frame;
        uint64_t key = frame.at ^ (range_contains(module, frame.at) ? identity : 0);
        if (UNLIKELY(!look_into(&cache[index_of(frame.at)], key, &rule) || !step_plainly(&frame, top, rule))) {
            walk.frame = frame;
            if (!(notes != NULL ? step_noted(&walk, notes) : step(&walk)))
                break;
            frame = walk.frame;
            module = walk.module.range;
            identity = walk.module.identity;
            top = walk.context == NULL ? walk.top : frame.sp; /* step() takes what a signal has interrupted, too */
        } else if (notes != NULL) {
            note_plain(notes, &from, &frame, rule);
        }
        if (frame.at == (uintptr_t)-1)
            break;
        addresses[count] = frame.at + 1;
    }
    if (notes != NULL)
        notes->walk = NULL;
    return count;
}

HIDDEN size_t gci_frames_walk(uintptr_t *addresses, size_t limit, const uintptr_t *registers);

size_t gci_frames_walk(uintptr_t *addresses, size_t limit, const uintptr_t *registers)
{
    return walk_from(addresses, limit, registers, NULL);
}

/* ---- Trails ------------------------------------------------------------------------------------------------------- */

STATIC_ASSERT(TRAIL_WORDS_MAX % TRAIL_STEP == 0, "whole steps");

/* Four words at a time, without a branch. Whatever lies at the distances, they are on the stack. */
READS_RAW_MEMORY ALWAYS_INLINE bool is_unchanged(const struct trail *trail, uintptr_t start)
{
    if (trail->start != start || trail->closed != word_load(&times_closed) || trail->reach > known_hi - start)
        return false;
    const char *at = (const char *)start; // NOLINT(performance-no-int-to-ptr)
    const struct trail_word *end = trail->words + trail->count;
    for (const struct trail_word *word = trail->words; word < end; word += TRAIL_STEP) {
        uintptr_t changes = 0;
        for (unsigned i = 0; i < TRAIL_STEP; i++)
            changes |= *(stack_word *)(at + word[i].distance) ^ word[i].word;
        if (changes != 0)
            return false;
    }
    return true;
}

/* Trails from one place on the stack are told apart by who has called us: where that address lies, the last walk from there
 * has found out. */
READS_RAW_MEMORY ALWAYS_INLINE struct trail *trail_of(struct trails *trails, uintptr_t start)
{
    uint32_t hint = trails->hints[start / STACK_ALIGNMENT % TRAIL_HINTS];
    uintptr_t caller = 0;
    if (known_hi - start >= hint + WORD_BYTES)
        caller = *(stack_word *)(start + hint); // NOLINT(performance-no-int-to-ptr)
    return &trails->trails[(start + caller) * ODD >> (64 - TRAILS_LOG2)];
}

static NOINLINE struct trail *walk_noted(struct trails *trails, struct trail *trail, uintptr_t *addresses, size_t limit,
                                         size_t *count, const uintptr_t *registers)
{
    uintptr_t start = (uintptr_t)registers;
    struct notes notes = {.trail = trail, .start = start, .top = known_hi};
    trail->start = 0;
    trail->result = NULL;
    trail->count = 0;
    trail->reach = 0;
    trail->closed = word_load(&times_closed);
    note(&notes, &registers[2]);
    *count = walk_from(addresses, limit, registers, &notes);
    trails->hints[start / STACK_ALIGNMENT % TRAIL_HINTS] = notes.hint;
    if (trail->count > TRAIL_WORDS_MAX)
        return NULL;
    for (; trail->count % TRAIL_STEP != 0; trail->count++)
        trail->words[trail->count] = trail->words[0];
    trail->start = start;
    return trail;
}

HIDDEN struct trail *gci_frames_trail(struct trails *trails, uintptr_t *addresses, size_t limit, size_t *count,
                                      const uintptr_t *registers);

struct trail *gci_frames_trail(struct trails *trails, uintptr_t *addresses, size_t limit, size_t *count,
                               const uintptr_t *registers)
{
    uintptr_t start = (uintptr_t)registers;
    if (UNLIKELY(!is_known(start) && !learn_stack(start))) {
        *count = gci_frames_walk(addresses, limit, registers);
        return NULL;
    }
    struct trail *trail = trail_of(trails, start);
    if (LIKELY(is_unchanged(trail, start)))
        return trail;
    return walk_noted(trails, trail, addresses, limit, count, registers);
}
