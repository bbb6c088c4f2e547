/* SPDX-License-Identifier: MIT */
/* Walks that are kept (trail.h).
 *
 * A trail holds the frames of the last walk, outermost first, and for each what the step into it has read: the return address
 * below its stack pointer, and where rbp and rbx were restored from if the rest of the walk uses them. The next walk first
 * looks how many frames, from the outermost on, still are what they were. Then it steps as any walk does, until it stands
 * at one of those with the same place, stack pointer and, where they are used, registers: as a step depends on those and the
 * words that it reads, the rest would be the same, and is not walked. A program that calls and returns between two walks
 * changes a few frames of many.
 *
 * Frames of our own code, on top, are passed in one comparison: the way that a request takes through it is one of a few, of
 * fixed size.
 *
 * Where all changed frames are found by the stack pointer alone, as nearly all are, registers do not matter and each step is
 * one addition (renew_quickly). All else goes the general way (renew), which also learns those steps.
 *
 * Walks over signals, unknown stacks or code without tables are not kept. Of stacks deeper than WALK_FRAMES a trail holds the
 * inner part, and as long as that has what a caller wants to know it does not matter what is further out.
 */
#include "trail.h"

#define QUICK_FRAMES 32u /* a walk with more that has changed may as well go the general way */

/* ---- Steps that are not plain ------------------------------------------------------------------------------------- */

enum outcome {
    GOES_ON,
    MET,     /* a frame that is kept */
    ENDED,   /* at the last one */
    IS_LONG, /* WALK_FRAMES passed */
    UNTOLD   /* the walk cannot be kept */
};

/* A step that was not plain has copied a register. False: from outside its frame, where it may not be readable again. */
static bool name_slot(stack_word **place, const uintptr_t *copy, uintptr_t slot, uintptr_t sp, uintptr_t cfa)
{
    if (*place != copy)
        return true;
    *place = word_at(slot);
    return slot >= sp && slot < cfa;
}

static bool name_slots(struct walk *walk, const struct frame *from, uintptr_t rbp, struct frame_rule rule)
{
    struct frame *to = &walk->frame;
    uintptr_t top_slot = (rule.how & FRAME_SLOTS_BY_RBP) != 0 ? rbp + WORD_BYTES : to->sp;
    return name_slot(&to->rbp, &walk->rbp, top_slot - rule.rbp_slot * WORD_BYTES, from->sp, to->sp) &&
           name_slot(&to->rbx, &walk->rbx, top_slot - rule.rbx_slot * WORD_BYTES, from->sp, to->sp);
}

/* Afterwards the registers are named by where the stack holds them. */
READS_RAW_MEMORY static NOINLINE enum outcome step_by_tables(struct frames_pass *pass, struct frame_rule *rule)
{
    struct walk walk;
    const struct frame from = pass->frame;
    gci_frames_resume(&walk, pass);
    *rule = gci_frames_rule(&walk);
    uintptr_t rbp = *from.rbp;
    if (frame_kind(*rule) == FRAME_END)
        return ENDED;
    if (!gci_frames_step(&walk) || !name_slots(&walk, &from, rbp, *rule))
        return UNTOLD;
    frames_enter_pass(&walk, pass);
    return GOES_ON;
}

/* ---- Our own code ------------------------------------------------------------------------------------------------- */

READS_RAW_MEMORY static bool follow(const struct own_way *way, uintptr_t start, struct frames_pass *pass)
{
    if (!is_way(way, start, pass->top))
        return false;
    uintptr_t sp = start + way->sp;
    uintptr_t at = *word_at(sp - WORD_BYTES) - 1;
    if (UNLIKELY(gci_context_is_own_code(at)))
        return false;
    pass->frame = (struct frame){at, sp, word_at(start + way->rbp), word_at(start + way->rbx)};
    return true;
}

static bool note_own(struct own_way *way, uintptr_t start, const struct frame *frame)
{
    if (way->count == WAY_WORDS)
        return false;
    way->words[way->count] = frame->at + 1;
    way->distances[way->count++] = (uint32_t)(frame->sp - WORD_BYTES - start);
    return true;
}

/* The way is kept when its frames are of fixed size, which plain rules by the stack pointer say. */
READS_RAW_MEMORY static NOINLINE bool learn_way(struct trail *trail, uintptr_t start, struct frames_pass *pass)
{
    pass->frame = (struct frame){*word_at(start + 2 * WORD_BYTES) - 1, start + 3 * WORD_BYTES, word_at(start),
                                 word_at(start + WORD_BYTES)};
    struct own_way way = {.count = 0};
    struct frame_rule rule;
    bool is_fixed = true;
    for (unsigned i = 0; i < WAY_WORDS && (i == 0 || gci_context_is_own_code(pass->frame.at)); i++) {
        is_fixed = is_fixed && note_own(&way, start, &pass->frame);
        if (frames_step_plainly(pass, &rule)) {
            is_fixed = is_fixed && rule.how == FRAME_BY_RSP;
            continue;
        }
        is_fixed = false;
        if (step_by_tables(pass, &rule) != GOES_ON)
            return false;
    }
    if (!is_fixed || gci_context_is_own_code(pass->frame.at))
        return true;
    way.sp = (uint32_t)(pass->frame.sp - start);
    way.rbp = (uint32_t)((uintptr_t)pass->frame.rbp - start);
    way.rbx = (uint32_t)((uintptr_t)pass->frame.rbx - start);
    uint32_t index = trail->ways_learnt++ % WAYS;
    trail->ways[index] = way;
    gci_trail_use_way(trail, index);
    return true;
}

void gci_trail_use_way(struct trail *trail, uint32_t index)
{
    const struct own_way *way = &trail->ways[index];
    uintptr_t stack_bytes = trail->stack_hi - trail->stack_lo;
    trail->last_way = index;
    trail->last_sp = way->sp;
    trail->room_bytes = way->sp != 0 && way->sp < stack_bytes ? stack_bytes - way->sp : 0;
    trail->last_way_hash = index * GOLDEN_ODD;
}

/* A way may be the beginning of a longer one. */
READS_RAW_MEMORY static bool leads_out(const struct own_way *way, uintptr_t start, uintptr_t top)
{
    return is_way(way, start, top) && LIKELY(!gci_context_is_own_code(*word_at(start + way->sp - WORD_BYTES) - 1));
}

bool gci_trail_find_way(struct trail *trail, uintptr_t start)
{
    for (uint32_t i = 0; i < WAYS; i++)
        if (leads_out(&trail->ways[i], start, gci_frames_stack_hi)) {
            gci_trail_use_way(trail, i);
            return true;
        }
    return false;
}

static NOINLINE bool try_ways(struct trail *trail, uintptr_t start, struct frames_pass *pass)
{
    for (uint32_t i = 0; i < WAYS; i++)
        if (follow(&trail->ways[i], start, pass)) {
            gci_trail_use_way(trail, i);
            return true;
        }
    return learn_way(trail, start, pass);
}

/* The first frame behind our own code; false: there is none that can be told. */
static bool begin(struct trail *trail, uintptr_t start, struct frames_pass *pass)
{
    pass->top = gci_frames_stack_hi;
    pass->module = (struct range){0, 0};
    pass->identity = 0;
    return follow(&trail->ways[trail->last_way], start, pass) || try_ways(trail, start, pass);
}

/* ---- What is unchanged -------------------------------------------------------------------------------------------- */

READS_RAW_MEMORY ALWAYS_INLINE bool came_from_same(const struct trail *trail, uint32_t number)
{
    const struct kept_registers *registers = &trail->registers[number - 1];
    uint32_t flags = trail->frames[number - 1].flags;
    return ((flags & CAME_RBP) == 0 || *registers->rbp_at == registers->rbp) &&
           ((flags & CAME_RBX) == 0 || *registers->rbx_at == registers->rbx);
}

/* Of the frames before `frame`, the outermost that was come to in another way; none: `frame`. */
ALWAYS_INLINE struct kept_frame *find_came_otherwise(struct trail *trail, struct kept_frame *frame)
{
    for (uint32_t number = frame[-1].came; number != 0;) {
        if (UNLIKELY(!came_from_same(trail, number)))
            frame = &trail->frames[number - 1];
        number = number > 1 ? trail->frames[number - 2].came : 0;
    }
    return frame;
}

READS_RAW_MEMORY ALWAYS_INLINE bool is_unchanged(const struct kept_frame *frame)
{
    return *word_at(frame->sp - WORD_BYTES) == frame->returns_to;
}

ALWAYS_INLINE void end_frames(struct trail *trail, struct kept_frame *end)
{
    trail->count = (size_t)(end - trail->frames);
    end->sp = (uintptr_t)(&trail->nowhere + 1);
    end->returns_to = 1;
}

/* Behind the last frame, from the outermost on, that the steps into it still lead to. Those that lie further in than `sp` are
 * gone. */
READS_RAW_MEMORY ALWAYS_INLINE struct kept_frame *find_changed(struct trail *trail, uintptr_t sp)
{
    struct kept_frame *frame = trail->frames;
    struct kept_frame *end = frame + trail->count;
    while (end > frame && end[-1].sp < sp)
        end--;
    end_frames(trail, end);
    while (is_unchanged(frame) && is_unchanged(frame + 1) && is_unchanged(frame + 2) && is_unchanged(frame + 3))
        frame += 4;
    while (is_unchanged(frame))
        frame++;
    return frame > trail->frames && frame[-1].came != 0 ? find_came_otherwise(trail, frame) : frame;
}

READS_RAW_MEMORY static NOINLINE bool has_registers(const struct trail *trail, const struct kept_frame *kept,
                                                    const struct frame *frame)
{
    const struct kept_registers *registers = &trail->registers[kept - trail->frames];
    uint32_t flags = kept->flags;
    return ((flags & NEEDS_RBP) == 0 || *frame->rbp == registers->rbp) &&
           ((flags & NEEDS_RBX) == 0 || *frame->rbx == registers->rbx);
}

ALWAYS_INLINE bool is_met(const struct trail *trail, const struct kept_frame *kept, const struct frame *frame)
{
    return kept->sp == frame->sp && kept->returns_to == frame->at + 1 &&
           ((kept->flags & NEEDS_ANY) == 0 || has_registers(trail, kept, frame));
}

/* ---- Steps -------------------------------------------------------------------------------------------------------- */

static const uint8_t needs_of_plain[] = {[FRAME_BY_RSP] = 0, [FRAME_BY_RBP] = NEEDS_RBP, [FRAME_BY_RBX] = NEEDS_RBX};

/* The registers that a rule with a CFA of its own kind uses; false: others. */
static bool note_base(struct passed_frame *passed, struct frame_rule rule)
{
    enum frame_kind kind = frame_kind(rule);
    unsigned number = rule.how >> FRAME_REGISTER_SHIFT;
    passed->needs = (rule.how & FRAME_SLOTS_BY_RBP) != 0 ? NEEDS_RBP : 0;
    if (kind == FRAME_BY_RBP || (kind == FRAME_DIRECT && number == FRAME_RBP))
        passed->needs |= NEEDS_RBP;
    else if (kind == FRAME_BY_RBX || (kind == FRAME_DIRECT && number == FRAME_RBX))
        passed->needs |= NEEDS_RBX;
    else if (kind != FRAME_BY_RSP && (kind != FRAME_DIRECT || number != FRAME_RSP))
        return false;
    return true;
}

static NOINLINE enum outcome step_noted(struct passed_frame *passed, struct frames_pass *pass)
{
    struct frame_rule rule;
    enum outcome outcome = step_by_tables(pass, &rule);
    return outcome == GOES_ON && !note_base(passed, rule) ? UNTOLD : outcome;
}

static struct known_step *step_of(struct trail *trail, uintptr_t at)
{
    return &trail->steps[at % STEPS];
}

static uint32_t note_plain(struct trail *trail, uintptr_t at, struct frame_rule rule)
{
    if (rule.how == FRAME_BY_RSP && !gci_context_is_own_code(at))
        *step_of(trail, at) = (struct known_step){at, (uintptr_t)rule.offset};
    return needs_of_plain[rule.how];
}

/* From pass->frame on, to a frame that is kept: the first *kept_count then stay. */
READS_RAW_MEMORY static enum outcome walk_changed(struct trail *trail, struct frames_pass *pass, size_t *kept_count)
{
    const struct kept_frame *next = find_changed(trail, pass->frame.sp);
    enum outcome outcome = GOES_ON;
    struct passed_frame *passed = trail->passed;
    do {
        while (next > trail->frames && next[-1].sp < pass->frame.sp)
            next--;
        if (next > trail->frames && is_met(trail, next - 1, &pass->frame)) {
            outcome = MET;
            break;
        }
        if (UNLIKELY(passed == trail->passed + WALK_FRAMES)) {
            outcome = IS_LONG;
            break;
        }
        struct frame_rule rule;
        passed->frame = pass->frame;
        passed->needs = 0;
        if (UNLIKELY(pass->frame.at == (uintptr_t)-1))
            outcome = ENDED;
        else if (LIKELY(frames_step_plainly(pass, &rule)))
            passed->needs = note_plain(trail, passed->frame.at, rule);
        else
            outcome = step_noted(passed, pass);
        passed++;
    } while (LIKELY(outcome == GOES_ON));
    passed->frame = pass->frame;
    trail->passed_count = (size_t)(passed - trail->passed);
    *kept_count = (size_t)(next - trail->frames);
    return outcome;
}

/* ---- What is kept ------------------------------------------------------------------------------------------------- */

static void note_came(struct trail *trail, size_t index)
{
    struct kept_frame *frame = &trail->frames[index];
    uint32_t outer = index > 0 ? frame[-1].came : 0;
    frame->came = (frame->flags & CAME_ANY) != 0 ? (uint32_t)index + 1 : outer;
}

/* The step out of passed[0] leads to the frame, with the registers of passed[1]. */
READS_RAW_MEMORY static NOINLINE void note_origin(struct trail *trail, size_t index, const struct passed_frame *passed)
{
    struct kept_frame *kept = &trail->frames[index];
    kept->flags &= NEEDS_ANY;
    if ((kept->flags & NEEDS_RBP) != 0 && passed[0].frame.rbp != passed[1].frame.rbp) {
        kept->flags |= CAME_RBP;
        trail->registers[index].rbp_at = passed[1].frame.rbp;
    }
    if ((kept->flags & NEEDS_RBX) != 0 && passed[0].frame.rbx != passed[1].frame.rbx) {
        kept->flags |= CAME_RBX;
        trail->registers[index].rbx_at = passed[1].frame.rbx;
    }
    note_came(trail, index);
}

/* What the rest of the walk needs of the registers as they are in the frame. */
READS_RAW_MEMORY static NOINLINE uint32_t note_needs(struct trail *trail, size_t index,
                                                     const struct passed_frame *passed)
{
    uint32_t outer = trail->frames[index - 1].flags;
    uint32_t needs = passed[0].needs;
    needs |= passed[0].frame.rbp == passed[1].frame.rbp ? outer & NEEDS_RBP : 0;
    needs |= passed[0].frame.rbx == passed[1].frame.rbx ? outer & NEEDS_RBX : 0;
    trail->registers[index].rbp = *passed[0].frame.rbp;
    trail->registers[index].rbx = *passed[0].frame.rbx;
    return needs;
}

/* The first `count` frames stay, and those passed are put behind them. */
static void keep(struct trail *trail, size_t count)
{
    uint32_t flags = count > 0 ? trail->frames[count - 1].flags : 0;
    for (size_t left = trail->passed_count; left > 0; left--) {
        const struct passed_frame *passed = &trail->passed[left - 1];
        if (UNLIKELY(flags != 0 && count > 0))
            note_origin(trail, count - 1, passed);
        flags = UNLIKELY((flags | passed->needs) != 0) && count > 0 ? note_needs(trail, count, passed) : 0;
        trail->frames[count] =
            (struct kept_frame){.sp = passed->frame.sp, .returns_to = passed->frame.at + 1, .flags = flags};
        note_came(trail, count++);
    }
    end_frames(trail, &trail->frames[count]);
}

static bool is_enough(const struct trail *trail, size_t count)
{
    return count <= FRAMES_KEPT && (trail->is_whole || count >= TRAIL_ADDRESSES);
}

/* Of a walk that has met no frame that is kept, or too few. */
static NOINLINE bool keep_all(struct trail *trail, uintptr_t start)
{
    struct frames_pass pass;
    size_t kept_count;
    end_frames(trail, trail->frames);
    if (!begin(trail, start, &pass))
        return false;
    enum outcome outcome = walk_changed(trail, &pass, &kept_count);
    trail->is_whole = outcome == ENDED;
    if (outcome != UNTOLD)
        keep(trail, 0);
    return outcome != UNTOLD;
}

/* False: the walk cannot be kept. */
static NOINLINE bool renew(struct trail *trail, uintptr_t start)
{
    struct frames_pass pass;
    size_t kept_count;
    if (!begin(trail, start, &pass))
        return false;
    enum outcome outcome = walk_changed(trail, &pass, &kept_count);
    if (UNLIKELY(outcome != MET || !is_enough(trail, kept_count + trail->passed_count)))
        return outcome != UNTOLD && keep_all(trail, start);
    keep(trail, kept_count);
    return true;
}

/* ---- The usual case ----------------------------------------------------------------------------------------------- */

struct quick_frame {
    uintptr_t at;
    uintptr_t sp;
};

/* Behind the frame that was met, which needs no registers, those passed are put, which do not either. */
ALWAYS_INLINE void keep_quickly(struct trail *trail, struct kept_frame *met, const struct quick_frame *begin,
                                const struct quick_frame *end)
{
    uint32_t came = met->came;
    while (end > begin) {
        end--;
        met++;
        met->sp = end->sp;
        met->returns_to = end->at + 1;
        met->flags = 0;
        met->came = came;
    }
    end_frames(trail, met + 1);
}

/* False: nothing is done, the general way has to be gone. No step reads above the outermost frame. */
READS_RAW_MEMORY ALWAYS_INLINE bool renew_quickly(struct trail *trail, uintptr_t start)
{
    struct quick_frame passed[QUICK_FRAMES];
    struct quick_frame *end = passed;
    const struct own_way *way = &trail->ways[trail->last_way];
    if (!is_way(way, start, gci_frames_stack_hi))
        return false;
    uintptr_t sp = start + way->sp;
    uintptr_t at = *word_at(sp - WORD_BYTES) - 1;
    struct kept_frame *kept = find_changed(trail, sp) - 1;
    if (UNLIKELY(kept < trail->frames))
        return false;
    const uintptr_t outermost_sp = trail->frames[0].sp;
    while (kept->sp != sp || kept->returns_to != at + 1) {
        const struct known_step *step = step_of(trail, at);
        if (UNLIKELY(step->at != at || end == passed + QUICK_FRAMES))
            return false;
        *end++ = (struct quick_frame){at, sp};
        sp += step->bytes;
        if (UNLIKELY(sp > outermost_sp))
            return false;
        at = *word_at(sp - WORD_BYTES) - 1;
        while (kept->sp < sp)
            kept--;
    }
    if (UNLIKELY(kept->flags != 0 || !is_enough(trail, (size_t)(kept + 1 - trail->frames) + (size_t)(end - passed))))
        return false;
    if (end == passed && UNLIKELY(gci_context_is_own_code(at)))
        return false; /* the way through our own code was a longer one */
    keep_quickly(trail, kept, passed, end);
    return true;
}

READS_RAW_MEMORY bool gci_trail_walk(struct trail *trail, uintptr_t start)
{
    return LIKELY(renew_quickly(trail, start)) || renew(trail, start);
}

void gci_trail_forget_walk(struct trail *trail)
{
    end_frames(trail, trail->frames);
}
