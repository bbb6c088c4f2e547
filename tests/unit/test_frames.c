/* SPDX-License-Identifier: MIT */
/* Rules from unwind tables: written by hand, the C library's own, and those with bytes changed; then walks that use them. */
#include <pthread.h>
#include <string.h>
#include <unwind.h>

#include "callers/frame_rule.h"
#include "platform/context.h"
#include "support.h"

/* ---- Tables written by hand --------------------------------------------------------------------------------------- */

#define CODE_BYTES 64u
#define TABLES_BYTES 512u

/* A module of one function, whose code lies behind its tables. */
struct written {
    uint8_t bytes[TABLES_BYTES + CODE_BYTES];
    size_t used;
};

static void put(struct written *to, const void *bytes, size_t count)
{
    if (to->used + count > TABLES_BYTES)
        ck_abort();
    memcpy(to->bytes + to->used, bytes, count);
    to->used += count;
}

static void put_word(struct written *to, uint32_t word)
{
    put(to, &word, sizeof word);
}

/* A length is written in front of what was put since `start`, which holds room for it. */
static void end_record(struct written *to, size_t start)
{
    while ((to->used - start) % 8 != 4)
        to->bytes[to->used++] = 0; /* no operation */
    uint32_t length = (uint32_t)(to->used - start - 4);
    memcpy(to->bytes + start, &length, sizeof length);
}

/* The head is { 1, by-place S4, U4, by-table S4 }, as linkers write it. */
static void write_tables(struct written *to, const char *augmentation, const uint8_t *program, size_t program_bytes)
{
    const uint8_t head[] = {1, 0x1b, 0x03, 0x3b};
    const uint8_t factors[] = {1, 0x78, 16, 1, 0x1b}; /* 1, -8, return address, bytes that follow, by-place S4 */
    const uint8_t common[] = {0x0c, 7, 8, 0x90, 1};   /* CFA = rsp + 8, return address at CFA - 8 */
    *to = (struct written){.used = 0};
    put(to, head, sizeof head);
    put_word(to, 16);
    put_word(to, 1);
    put_word(to, TABLES_BYTES);
    size_t fde_place = to->used;
    put_word(to, 0);
    size_t cie = to->used;
    put_word(to, 0);
    put_word(to, 0);
    put(to, "\1", 1);
    put(to, augmentation, strlen(augmentation) + 1);
    put(to, factors, sizeof factors);
    put(to, common, sizeof common);
    end_record(to, cie);
    uint32_t fde = (uint32_t)to->used;
    memcpy(to->bytes + fde_place, &fde, sizeof fde);
    put_word(to, 0);
    put_word(to, (uint32_t)(to->used - cie));
    put_word(to, (uint32_t)(TABLES_BYTES - to->used));
    put_word(to, CODE_BYTES);
    put(to, "\0", 1);
    put(to, program, program_bytes);
    end_record(to, fde);
}

static struct frame_rule rule_at(const struct written *written, size_t offset)
{
    uintptr_t start = (uintptr_t)written->bytes;
    struct module module = {{start, start + sizeof written->bytes}, {start, start + TABLES_BYTES}, start, 0};
    return gci_frame_rule_find(&module, start + TABLES_BYTES + offset);
}

static struct frame_rule rule_after(const uint8_t *program, size_t bytes)
{
    struct written written;
    write_tables(&written, "zR", program, bytes);
    return rule_at(&written, CODE_BYTES - 1);
}

#define RULE_AFTER(...) rule_after((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void check_rule(struct frame_rule rule, unsigned how, int offset, unsigned rbp_slot, unsigned rbx_slot,
                       unsigned reach)
{
    ck_assert_uint_eq(rule.how, how);
    ck_assert_int_eq(rule.offset, offset);
    ck_assert_uint_eq(rule.rbp_slot, rbp_slot);
    ck_assert_uint_eq(rule.rbx_slot, rbx_slot);
    ck_assert_uint_eq(rule.reach, reach);
}

START_TEST(rows_follow_the_code)
{
    /* push rbp; mov rsp, rbp; push rbx; ...; leave */
    const uint8_t program[] = {0x41, 0x0e, 16,   0x86, 2, 0x43, 0x0d, 6,    0x41, 0x83,
                               3,    0x4a, 0x0a, 0x0c, 7, 8,    0xc6, 0x41, 0x0b};
    struct written written;
    write_tables(&written, "zR", program, sizeof program);
    check_rule(rule_at(&written, 0), FRAME_BY_RSP, 8, 0, 0, 1);
    check_rule(rule_at(&written, 1), FRAME_BY_RSP, 16, 2, 0, 2);
    check_rule(rule_at(&written, 3), FRAME_BY_RSP, 16, 2, 0, 2);
    check_rule(rule_at(&written, 4), FRAME_BY_RBP, 16, 2, 0, 2);
    check_rule(rule_at(&written, 5), FRAME_BY_RBP, 16, 2, 3, 3);
    check_rule(rule_at(&written, 15), FRAME_BY_RSP, 8, 0, 3, 3);
    check_rule(rule_at(&written, 16), FRAME_BY_RBP, 16, 2, 3, 3);
    ck_assert_uint_eq(rule_at(&written, CODE_BYTES).how, FRAME_UNKNOWN);
    ck_assert_uint_eq(rule_at(&written, (size_t)-1).how, FRAME_UNKNOWN);
}
END_TEST

START_TEST(every_instruction_is_understood)
{
    check_rule(RULE_AFTER(0x02, 1, 0x03, 1, 0, 0x04, 1, 0, 0, 0, 0x0e, 0x90, 1), FRAME_BY_RSP, 144, 0, 0, 1);
    check_rule(RULE_AFTER(0x0c, 3, 16, 0x05, 6, 2, 0x11, 3, 3), FRAME_BY_RBX, 16, 2, 3, 3);
    check_rule(RULE_AFTER(0x12, 7, 0x7e), FRAME_BY_RSP, 16, 0, 0, 1);
    check_rule(RULE_AFTER(0x13, 0x7d), FRAME_BY_RSP, 24, 0, 0, 1);
    check_rule(RULE_AFTER(0x86, 2, 0x06, 6, 0x83, 2, 0x08, 3), FRAME_BY_RSP, 8, 0, 0, 1);
    check_rule(RULE_AFTER(0x2e, 16, 0x09, 12, 13, 0x14, 12, 1, 0x15, 12, 1, 0x16, 12, 1, 0x30, 0x8c, 9), FRAME_BY_RSP,
               8, 0, 0, 1);
    check_rule(RULE_AFTER(0x86, 2, 0x07, 6, 0x09, 3, 12), FRAME_BY_RSP, 8, 0, 0, 1);
    check_rule(RULE_AFTER(0x0c, 10, 0), FRAME_DIRECT | 10 << FRAME_REGISTER_SHIFT, 0, 0, 0, 1);
    check_rule(RULE_AFTER(0x0e, 9), FRAME_DIRECT | FRAME_RSP << FRAME_REGISTER_SHIFT, 9, 0, 0, 1);
}
END_TEST

START_TEST(known_expressions_are_understood)
{
    const unsigned by_rbp = FRAME_SLOTS_BY_RBP | FRAME_RBP << FRAME_REGISTER_SHIFT | FRAME_INDIRECT;
    /* A frame that aligns itself: CFA = *(rbp - 8), rbp at rbp, rbx at rbp - 16. */
    check_rule(RULE_AFTER(0x0f, 3, 0x76, 0x78, 0x06, 0x10, 6, 2, 0x76, 0, 0x10, 3, 2, 0x76, 0x70), by_rbp, -8, 1, 3, 0);
    /* CFA = *(rsp + 40) + 8 */
    check_rule(RULE_AFTER(0x0f, 5, 0x77, 40, 0x06, 0x23, 8, 0x86, 2),
               FRAME_RSP << FRAME_REGISTER_SHIFT | FRAME_INDIRECT, 40, 2, 0, 1);
    const uint8_t jumps[] = {0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22};
    struct written written;
    write_tables(&written, "zR", jumps, sizeof jumps);
    for (size_t i = 0; i < CODE_BYTES; i++) {
        uintptr_t at = (uintptr_t)written.bytes + TABLES_BYTES + i;
        check_rule(rule_at(&written, i), FRAME_BY_RSP, at % 16 >= 11 ? 16 : 8, 0, 0, 1);
    }
}
END_TEST

START_TEST(what_cannot_be_told_ends_the_walk)
{
    ck_assert_uint_eq(RULE_AFTER(0x07, 16).how, FRAME_END);                        /* the outermost function */
    ck_assert_uint_eq(RULE_AFTER(0x09, 16, 2).how, FRAME_END);                     /* return address in a register */
    ck_assert_uint_eq(RULE_AFTER(0x90, 2).how, FRAME_END);                         /* elsewhere */
    ck_assert_uint_eq(RULE_AFTER(0x10, 6, 2, 0x77, 8).how, FRAME_END);             /* rbp by an unknown expression */
    ck_assert_uint_eq(RULE_AFTER(0x0f, 2, 0x77, 8).how, FRAME_END);                /* CFA by one */
    ck_assert_uint_eq(RULE_AFTER(0x0c, 17, 8).how, FRAME_END);                     /* by no register of the processor */
    ck_assert_uint_eq(RULE_AFTER(0x05, 6, 0x80, 2).how, FRAME_END);                /* saved out of reach */
    ck_assert_uint_eq(RULE_AFTER(0x0e, 0x80, 0x80, 0x80, 0x80, 8).how, FRAME_END); /* too large */
    struct written written;
    write_tables(&written, "zRS", (const uint8_t *)"", 0);
    ck_assert_uint_eq(rule_at(&written, 5).how, FRAME_SIGNAL);
    write_tables(&written, "zQ", (const uint8_t *)"", 0);
    ck_assert_uint_eq(rule_at(&written, 5).how, FRAME_UNKNOWN);
    ck_assert_uint_eq(RULE_AFTER(0x3f).how, FRAME_UNKNOWN); /* no such instruction */
    ck_assert_uint_eq(RULE_AFTER(0x0b).how, FRAME_UNKNOWN); /* nothing is remembered */
    ck_assert_uint_eq(RULE_AFTER(10, 10, 10, 10, 10, 10, 10, 10, 10).how, FRAME_UNKNOWN);
    ck_assert_uint_eq(RULE_AFTER(0x0f, 0x7f, 0x77, 8, 0x06).how, FRAME_UNKNOWN); /* longer than the record */
}
END_TEST

/* ---- Tables of the C library -------------------------------------------------------------------------------------- */

static struct module library_module(void)
{
    struct module module;
    ck_assert(gci_image_find_module((uintptr_t)getppid, &module));
    ck_assert_uint_ne(module.unwind_table, 0);
    return module;
}

/* The module as if it lay where the copy of its tables is: everything in them is relative. */
static struct module moved(const struct module *module, const void *copy)
{
    uintptr_t distance = (uintptr_t)copy - module->tables.lo;
    struct module result = *module;
    result.range.lo += distance;
    result.range.hi += distance;
    result.tables.lo += distance;
    result.tables.hi += distance;
    result.unwind_table += distance;
    return result;
}

#define QUERIES 20000

START_TEST(tables_that_lie_elsewhere_tell_the_same)
{
    struct module module = library_module();
    size_t bytes = range_bytes(module.tables);
    char *room = malloc(bytes + 16);
    void *copy = room + module.tables.lo % 16; /* rules of some code depend on its address */
    memcpy(copy, (const void *)module.tables.lo, bytes);
    struct module other = moved(&module, copy);
    uint64_t state = random_seed();
    size_t known = 0;
    for (int i = 0; i < QUERIES; i++) {
        uintptr_t offset = random_next(&state) % range_bytes(module.range);
        struct frame_rule rule = gci_frame_rule_find(&module, module.range.lo + offset);
        struct frame_rule same = gci_frame_rule_find(&other, other.range.lo + offset);
        ck_assert_mem_eq(&rule, &same, sizeof rule);
        known += rule.how != FRAME_UNKNOWN;
    }
    ck_assert_uint_gt(known, QUERIES / 4);
    free(room);
}
END_TEST

/* Check notes each assertion in a file; here are too many of them. */
static void check_is_sane(struct frame_rule rule)
{
    bool is_plain = rule.how >= FRAME_BY_RSP && rule.how <= FRAME_BY_RBX;
    bool is_sane =
        rule.offset % 8 == 0 && rule.reach >= 1 && rule.reach >= rule.rbp_slot && rule.reach >= rule.rbx_slot;
    if (is_plain && !is_sane)
        ck_abort_msg("a rule reads more than it tells");
}

#define MUTATIONS 400

/* Every copy has some bytes changed and ends early, at the end of its allocation: the address sanitizer sees what is read
 * behind it. */
START_TEST(changed_tables_are_survived)
{
    struct module module = library_module();
    uint64_t state = random_seed();
    for (int i = 0; i < MUTATIONS; i++) {
        size_t bytes = range_bytes(module.tables);
        size_t head = module.unwind_table - module.tables.lo;
        if (i % 2 != 0)
            bytes = head + random_next(&state) % (bytes - head);
        uint8_t *copy = malloc(bytes + 1);
        memcpy(copy, (const void *)module.tables.lo, bytes);
        struct module other = moved(&module, copy);
        other.tables.hi = other.tables.lo + bytes;
        for (size_t k = random_next(&state) % (bytes / 16 + 1); k > 0; k--)
            copy[head + random_next(&state) % (bytes - head + 1)] = (uint8_t)random_next(&state);
        if (i % 4 == 0 && head + 12 < bytes) /* the head as it should be, else nothing behind it is read */
            memcpy(copy + head, (const void *)module.unwind_table, 12);
        for (int k = 0; k < 100; k++)
            check_is_sane(
                gci_frame_rule_find(&other, other.range.lo + random_next(&state) % range_bytes(module.range)));
        free(copy);
    }
}
END_TEST

/* The same for tables of one function, in which every byte matters. */
START_TEST(changed_programs_are_survived)
{
    uint64_t state = random_seed();
    for (int i = 0; i < 100 * MUTATIONS; i++) {
        struct written *written = malloc(sizeof *written);
        uint8_t program[64];
        for (size_t k = 0; k < sizeof program; k++)
            program[k] = (uint8_t)(random_next(&state) % (k % 3 == 0 ? 256 : 24));
        write_tables(written, "zR", program, random_next(&state) % sizeof program);
        for (size_t k = random_next(&state) % 4; k > 0; k--)
            written->bytes[random_next(&state) % written->used] = (uint8_t)random_next(&state);
        for (size_t k = 0; k < CODE_BYTES; k += 7)
            check_is_sane(rule_at(written, k));
        free(written);
    }
}
END_TEST

/* ---- Walks -------------------------------------------------------------------------------------------------------- */

#define FRAMES_MAX 256

struct stack {
    uintptr_t addresses[FRAMES_MAX];
    size_t count;
};

static _Unwind_Reason_Code take_frame(struct _Unwind_Context *context, void *data)
{
    struct stack *stack = data;
    uintptr_t address = _Unwind_GetIP(context);
    if (stack->count == FRAMES_MAX)
        return _URC_END_OF_STACK;
    if (address != 0)
        stack->addresses[stack->count++] = address;
    return _URC_NO_REASON;
}

static __attribute__((noinline)) size_t compare_at(int depth)
{
    if (depth > 0)
        return compare_at(depth - 1) + 1;
    struct stack ours = {.count = 0};
    struct stack theirs = {.count = 0};
    ours.count = gci_context_callers(ours.addresses, FRAMES_MAX);
    _Unwind_Backtrace(take_frame, &theirs);
    ck_assert_uint_eq(ours.count + 1, theirs.count); /* theirs begins with this function */
    ck_assert_mem_eq(ours.addresses, theirs.addresses + 1, ours.count * sizeof *ours.addresses);
    return 1;
}

static void *compare_in_thread(void *data)
{
    for (int i = 0; i < 100; i++)
        ck_assert_uint_eq(compare_at(i), (size_t)i + 1);
    return data;
}

START_TEST(walks_are_those_of_the_compiler)
{
    pthread_t threads[3];
    compare_in_thread(NULL);
    gci_context_callers_init();
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, compare_in_thread, NULL), 0);
    for (int i = 0; i < 100; i++)
        gci_context_forget_closed();
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    compare_in_thread(NULL);
}
END_TEST

START_TEST(no_more_frames_than_asked_for)
{
    uintptr_t addresses[3] = {0, 0, 1};
    uintptr_t first;
    ck_assert_uint_eq(gci_context_callers(addresses, 0), 0);
    ck_assert_uint_eq(gci_context_callers(addresses, 2), 2);
    ck_assert_uint_eq(addresses[2], 1);
    ck_assert_uint_eq(gci_context_callers(&first, 1), 1);
    ck_assert_uint_eq(first, addresses[0]);
}
END_TEST

Suite *frames_suite(void);

START_TEST(own_code_is_known)
{
    gci_context_callers_init();
    ck_assert(gci_context_is_own_code((uintptr_t)gci_context_callers));
    ck_assert(gci_context_is_own_code((uintptr_t)gci_image_find_module));
    ck_assert(!gci_context_is_own_code((uintptr_t)frames_suite));
    ck_assert(!gci_context_is_own_code((uintptr_t)getppid));
}
END_TEST

MAKE_SUITE(frames, rows_follow_the_code, every_instruction_is_understood, known_expressions_are_understood,
           what_cannot_be_told_ends_the_walk, tables_that_lie_elsewhere_tell_the_same, changed_tables_are_survived,
           changed_programs_are_survived, walks_are_those_of_the_compiler, no_more_frames_than_asked_for,
           own_code_is_known)
