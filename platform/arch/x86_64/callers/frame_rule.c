/* SPDX-License-Identifier: MIT */
/* Implementation of frame_rule.h: a reader of .eh_frame.
 *
 * .eh_frame_hdr (LSB Core 5.0, section 10.6.2) is a table, sorted by address, of where each function starts and where its
 * FDE is. An FDE (section 10.6.1) tells how long the function is and names a CIE, which holds what many functions have in
 * common. Both hold instructions (DWARF 5, section 6.4.2) that build, address by address, the rows of a table: how to find
 * the CFA, and where each register of the caller was saved. We run those of the CIE, then those of the FDE up to the
 * address, and put the row into a frame_rule.
 *
 * Nothing read here is trusted: every byte comes through a cursor (unwind_bytes.h).
 */
#include "frame_rule.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "unwind_bytes.h"

/* ---- CIE and FDE -------------------------------------------------------------------------------------------------- */

struct cie {
    uint64_t code_factor;
    int64_t data_factor;
    uint8_t encoding; /* of addresses in its FDEs */
    bool is_augmented;
    bool is_signal;
    struct cursor program;
};

/* The record at that address: a length, then so many bytes. */
static struct cursor open_record(const struct module *module, uintptr_t address)
{
    if (!range_contains(module->tables, address))
        return (struct cursor){NULL, NULL, true};
    const uint8_t *start = (const uint8_t *)address;           // NOLINT(performance-no-int-to-ptr)
    const uint8_t *end = (const uint8_t *)(module->tables.hi); // NOLINT(performance-no-int-to-ptr)
    struct cursor whole = {start, end, false};
    uint32_t length = read_u32(&whole); /* records of 4 GiB and more have ~0 here, which is too long for us */
    return read_part(&whole, length);
}

/* Letters of the augmentation, each with its data. What follows a letter that we do not know is skipped. */
static void read_augmentation(struct cie *cie, const char *letters, struct cursor data)
{
    for (; *letters != '\0' && !data.is_bad; letters++)
        switch (*letters) {
        case 'R':
            cie->encoding = read_u8(&data);
            break;
        case 'P':
            read_formatted(&data, read_u8(&data));
            break;
        case 'L':
            read_u8(&data);
            break;
        case 'S':
            cie->is_signal = true;
            break;
        default:
            return;
        }
}

static bool read_cie(const struct module *module, uintptr_t address, struct cie *cie)
{
    const uint32_t cie_id = 0;
    struct cursor from = open_record(module, address);
    uint32_t id = read_u32(&from);
    uint8_t version = read_u8(&from);
    const char *letters = (const char *)from.at;
    while (read_u8(&from) != 0)
        ;
    *cie = (struct cie){.encoding = ENCODING_WORD};
    cie->code_factor = read_uleb(&from);
    cie->data_factor = read_sleb(&from);
    uint64_t return_column = version == 1 ? read_u8(&from) : read_uleb(&from);
    if (from.is_bad || id != cie_id || (version != 1 && version != 3) || return_column != FRAME_RIP)
        return false;
    cie->is_augmented = *letters == 'z';
    if (!cie->is_augmented && *letters != '\0')
        return false;
    if (cie->is_augmented)
        read_augmentation(cie, letters + 1, read_part(&from, read_uleb(&from)));
    cie->program = from;
    return !from.is_bad;
}

/* The instructions of the FDE at that address, if its function holds `at`. */
static bool read_fde(const struct module *module, uintptr_t address, uintptr_t at, struct cie *cie, uintptr_t *start,
                     struct cursor *program)
{
    struct cursor from = open_record(module, address);
    uintptr_t id_place = (uintptr_t)from.at;
    uint32_t cie_distance = read_u32(&from);
    if (from.is_bad || cie_distance == 0 || !read_cie(module, id_place - cie_distance, cie))
        return false;
    *start = read_address(&from, cie->encoding);
    uintptr_t bytes = read_formatted(&from, cie->encoding);
    if (cie->is_augmented)
        read_part(&from, read_uleb(&from));
    *program = from;
    return !from.is_bad && at - *start < bytes;
}

/* The table that all linkers write: its own start, the number of its entries, then pairs relative to the table's start. */
#define TABLE_VERSION 1
#define TABLE_BY_START_S4 0x3b

struct pair {
    int32_t function;
    int32_t fde;
};

/* Address of the FDE of the last function that starts at or before `at`; 0: none. */
static uintptr_t find_fde(const struct module *module, uintptr_t at)
{
    if (!range_contains(module->tables, module->unwind_table))
        return 0;
    const uint8_t *table = (const uint8_t *)module->unwind_table; // NOLINT(performance-no-int-to-ptr)
    struct cursor from = {table, table + (module->tables.hi - module->unwind_table), false};
    uint8_t version = read_u8(&from);
    uint8_t start_encoding = read_u8(&from);
    uint8_t count_encoding = read_u8(&from);
    uint8_t pair_encoding = read_u8(&from);
    read_formatted(&from, start_encoding);
    uint64_t count = read_formatted(&from, count_encoding);
    if (from.is_bad || version != TABLE_VERSION || pair_encoding != TABLE_BY_START_S4 ||
        count > (uint64_t)(from.end - from.at) / sizeof(struct pair))
        return 0;
    int64_t wanted = (int64_t)(at - module->unwind_table);
    struct pair pair = {0, 0};
    size_t lo = 0;
    for (size_t hi = count; lo < hi;) {
        size_t middle = lo + (hi - lo) / 2;
        memcpy(&pair, from.at + middle * sizeof pair, sizeof pair);
        if (pair.function <= wanted)
            lo = middle + 1;
        else
            hi = middle;
    }
    if (lo == 0)
        return 0;
    memcpy(&pair, from.at + (lo - 1) * sizeof pair, sizeof pair);
    return module->unwind_table + (uintptr_t)(intptr_t)pair.fde;
}

/* ---- Rows --------------------------------------------------------------------------------------------------------- */

/* Where a register of the caller is. */
struct place {
    enum { PLACE_UNCHANGED, PLACE_AT_CFA, PLACE_AT_RBP, PLACE_NOWHERE, PLACE_OTHER } kind;
    int64_t offset;
};

struct row {
    enum { CFA_DIRECT, CFA_INDIRECT, CFA_OTHER } cfa_kind;
    uint32_t cfa_register;
    int64_t cfa_offset;
    uint64_t cfa_added; /* CFA_INDIRECT: to what lies at register + offset */
    struct place rbx, rbp, rip;
};

/* gcc remembers one row at a time, hand-written code up to three. */
#define REMEMBERED_MAX 8

struct machine {
    const struct cie *cie;
    uintptr_t at;
    uintptr_t location;
    struct row row;
    struct row first; /* what the CIE says */
    struct row remembered[REMEMBERED_MAX];
    size_t remembered_count;
};

static struct place *place_of(struct row *row, uint64_t number)
{
    switch (number) {
    case FRAME_RBX:
        return &row->rbx;
    case FRAME_RBP:
        return &row->rbp;
    case FRAME_RIP:
        return &row->rip;
    default:
        return NULL;
    }
}

static void set_place(struct machine *machine, uint64_t number, struct place place)
{
    struct place *to = place_of(&machine->row, number);
    if (to != NULL)
        *to = place;
}

static void restore_place(struct machine *machine, uint64_t number)
{
    const struct place *first = place_of(&machine->first, number);
    if (first != NULL)
        set_place(machine, number, *first);
}

/* ---- Expressions -------------------------------------------------------------------------------------------------- */

/* DWARF 5, section 7.7.1. */
enum operation {
    OP_DEREF = 0x06,
    OP_AND = 0x1a,
    OP_PLUS = 0x22,
    OP_PLUS_UCONST = 0x23,
    OP_SHL = 0x24,
    OP_GE = 0x2a,
    OP_LIT0 = 0x30,
    OP_BREG0 = 0x70
};

/* Entries of the table of jumps to other modules push a word in their second instruction: rsp + 8, and 8 more if
 * (rip & 15) >= n. */
static bool read_jump_entry(struct cursor from, uintptr_t at, int64_t *offset)
{
    const uint8_t head[] = {OP_BREG0 + FRAME_RSP, 8, OP_BREG0 + FRAME_RIP, 0, OP_LIT0 + 15, OP_AND};
    const uint8_t tail[] = {OP_GE, OP_LIT0 + 3, OP_SHL, OP_PLUS};
    if ((size_t)(from.end - from.at) != sizeof head + 1 + sizeof tail || memcmp(from.at, head, sizeof head) != 0 ||
        memcmp(from.at + sizeof head + 1, tail, sizeof tail) != 0)
        return false;
    *offset = 8 + ((at & 15) + OP_LIT0 >= from.at[sizeof head] ? 8 : 0);
    return true;
}

/* Besides those: what lies at rsp or rbp plus an offset, and a constant more. */
static void set_cfa_expression(struct machine *machine, struct cursor from)
{
    struct row *row = &machine->row;
    row->cfa_kind = CFA_OTHER;
    if (from.is_bad)
        return;
    if (read_jump_entry(from, machine->at, &row->cfa_offset)) {
        row->cfa_kind = CFA_DIRECT;
        row->cfa_register = FRAME_RSP;
        return;
    }
    row->cfa_register = (uint32_t)read_u8(&from) - OP_BREG0;
    row->cfa_offset = read_sleb(&from);
    bool is_indirect = read_u8(&from) == OP_DEREF;
    row->cfa_added = 0;
    if (!from.is_bad && from.at != from.end && read_u8(&from) == OP_PLUS_UCONST)
        row->cfa_added = read_uleb(&from);
    if (is_indirect && !from.is_bad && from.at == from.end &&
        (row->cfa_register == FRAME_RSP || row->cfa_register == FRAME_RBP))
        row->cfa_kind = CFA_INDIRECT;
}

/* The one form that compilers use for registers: rbp plus an offset, in functions that align their frame. */
static struct place place_by_expression(struct cursor from)
{
    bool is_by_rbp = read_u8(&from) == OP_BREG0 + FRAME_RBP;
    int64_t offset = read_sleb(&from);
    if (!is_by_rbp || from.is_bad || from.at != from.end)
        return (struct place){PLACE_OTHER, 0};
    return (struct place){PLACE_AT_RBP, offset};
}

/* ---- Instructions ------------------------------------------------------------------------------------------------- */

/* DWARF 5, section 7.24; the last two are GNU's. The upper two bits of some hold all that is there to tell them. */
enum instruction {
    CFA_NOP = 0x00,
    CFA_SET_LOC = 0x01,
    CFA_ADVANCE_LOC1 = 0x02,
    CFA_ADVANCE_LOC2 = 0x03,
    CFA_ADVANCE_LOC4 = 0x04,
    CFA_OFFSET_EXTENDED = 0x05,
    CFA_RESTORE_EXTENDED = 0x06,
    CFA_UNDEFINED = 0x07,
    CFA_SAME_VALUE = 0x08,
    CFA_REGISTER = 0x09,
    CFA_REMEMBER_STATE = 0x0a,
    CFA_RESTORE_STATE = 0x0b,
    CFA_DEF_CFA = 0x0c,
    CFA_DEF_CFA_REGISTER = 0x0d,
    CFA_DEF_CFA_OFFSET = 0x0e,
    CFA_DEF_CFA_EXPRESSION = 0x0f,
    CFA_EXPRESSION = 0x10,
    CFA_OFFSET_EXTENDED_SF = 0x11,
    CFA_DEF_CFA_SF = 0x12,
    CFA_DEF_CFA_OFFSET_SF = 0x13,
    CFA_VAL_OFFSET = 0x14,
    CFA_VAL_OFFSET_SF = 0x15,
    CFA_VAL_EXPRESSION = 0x16,
    CFA_GNU_ARGS_SIZE = 0x2e,
    CFA_GNU_NEGATIVE_OFFSET_EXTENDED = 0x2f,
    CFA_ADVANCE_LOC = 0x40,
    CFA_OFFSET = 0x80,
    CFA_RESTORE = 0xc0,
    CFA_UPPER_BITS = 0xc0
};

/* Products of what a table holds may overflow; what comes out is then wrong, but checked like all else. */
static int64_t factored(const struct machine *machine, uint64_t offset)
{
    return (int64_t)(offset * (uint64_t)machine->cie->data_factor);
}

static struct place at_cfa(const struct machine *machine, uint64_t offset)
{
    return (struct place){PLACE_AT_CFA, factored(machine, offset)};
}

static void set_cfa(struct row *row, uint64_t number, int64_t offset)
{
    row->cfa_kind = CFA_DIRECT;
    row->cfa_register = number < FRAME_RIP ? (uint32_t)number : FRAME_RIP; /* which no CFA can be told from */
    row->cfa_offset = offset;
}

/* The four kinds of functions that run one instruction return false if it is none of theirs. */
static bool run_location(struct machine *machine, uint8_t code, struct cursor *from)
{
    uint64_t factor = machine->cie->code_factor;
    switch (code) {
    case CFA_SET_LOC:
        machine->location = read_address(from, machine->cie->encoding);
        return true;
    case CFA_ADVANCE_LOC1:
        machine->location += factor * read_u8(from);
        return true;
    case CFA_ADVANCE_LOC2:
        machine->location += factor * read_formatted(from, ENCODING_U2);
        return true;
    case CFA_ADVANCE_LOC4:
        machine->location += factor * read_u32(from);
        return true;
    default:
        return false;
    }
}

static bool run_cfa(struct machine *machine, uint8_t code, struct cursor *from)
{
    struct row *row = &machine->row;
    uint64_t number;
    switch (code) {
    case CFA_DEF_CFA:
        number = read_uleb(from);
        set_cfa(row, number, (int64_t)read_uleb(from));
        return true;
    case CFA_DEF_CFA_SF:
        number = read_uleb(from);
        set_cfa(row, number, factored(machine, (uint64_t)read_sleb(from)));
        return true;
    case CFA_DEF_CFA_REGISTER:
        set_cfa(row, read_uleb(from), row->cfa_offset);
        return true;
    case CFA_DEF_CFA_OFFSET:
        row->cfa_offset = (int64_t)read_uleb(from);
        return true;
    case CFA_DEF_CFA_OFFSET_SF:
        row->cfa_offset = factored(machine, (uint64_t)read_sleb(from));
        return true;
    case CFA_DEF_CFA_EXPRESSION:
        set_cfa_expression(machine, read_part(from, read_uleb(from)));
        return true;
    default:
        return false;
    }
}

static bool run_register(struct machine *machine, uint8_t code, struct cursor *from)
{
    if ((code < CFA_OFFSET_EXTENDED || code > CFA_REGISTER) && code != CFA_EXPRESSION &&
        code != CFA_OFFSET_EXTENDED_SF && (code < CFA_VAL_OFFSET || code > CFA_VAL_EXPRESSION) &&
        code != CFA_GNU_NEGATIVE_OFFSET_EXTENDED)
        return false;
    uint64_t number = read_uleb(from);
    struct place place = {PLACE_OTHER, 0};
    switch (code) {
    case CFA_RESTORE_EXTENDED:
        restore_place(machine, number);
        return true;
    case CFA_OFFSET_EXTENDED:
        place = at_cfa(machine, read_uleb(from));
        break;
    case CFA_OFFSET_EXTENDED_SF:
        place = at_cfa(machine, (uint64_t)read_sleb(from));
        break;
    case CFA_GNU_NEGATIVE_OFFSET_EXTENDED:
        place = at_cfa(machine, -read_uleb(from));
        break;
    case CFA_UNDEFINED:
        place.kind = PLACE_NOWHERE;
        break;
    case CFA_SAME_VALUE:
        place.kind = PLACE_UNCHANGED;
        break;
    case CFA_EXPRESSION:
        place = place_by_expression(read_part(from, read_uleb(from)));
        break;
    case CFA_VAL_EXPRESSION:
        read_part(from, read_uleb(from));
        break;
    default: /* CFA_REGISTER, CFA_VAL_OFFSET, CFA_VAL_OFFSET_SF */
        read_leb(from, false);
    }
    set_place(machine, number, place);
    return true;
}

static bool run_other(struct machine *machine, uint8_t code, struct cursor *from)
{
    switch (code) {
    case CFA_NOP:
        return true;
    case CFA_GNU_ARGS_SIZE:
        read_uleb(from);
        return true;
    case CFA_REMEMBER_STATE:
        if (machine->remembered_count == REMEMBERED_MAX)
            return false;
        machine->remembered[machine->remembered_count++] = machine->row;
        return true;
    case CFA_RESTORE_STATE:
        if (machine->remembered_count == 0)
            return false;
        machine->row = machine->remembered[--machine->remembered_count];
        return true;
    default:
        return false;
    }
}

/* Runs instructions up to those of rows behind `at`. False if they are malformed or unknown. */
static bool run(struct machine *machine, struct cursor from)
{
    while (from.at < from.end && !from.is_bad) {
        uint8_t code = read_u8(&from);
        uint8_t operand = code & (uint8_t)~CFA_UPPER_BITS;
        switch (code & CFA_UPPER_BITS) {
        case CFA_ADVANCE_LOC:
            machine->location += operand * machine->cie->code_factor;
            break;
        case CFA_OFFSET:
            set_place(machine, operand, at_cfa(machine, read_uleb(&from)));
            break;
        case CFA_RESTORE:
            restore_place(machine, operand);
            break;
        default:
            if (!run_location(machine, code, &from) && !run_cfa(machine, code, &from) &&
                !run_register(machine, code, &from) && !run_other(machine, code, &from))
                return false;
        }
        if (machine->location > machine->at)
            return !from.is_bad;
    }
    return !from.is_bad;
}

/* ---- Rules -------------------------------------------------------------------------------------------------------- */

#define SLOT_MAX 255
#define WORD_BYTES 8

static const struct frame_rule rule_unknown = {.how = FRAME_UNKNOWN};
static const struct frame_rule rule_end = {.how = FRAME_END};

/* False where the register cannot be found, or not in that form. */
static bool find_slot(const struct place *place, bool is_by_rbp, uint8_t *slot)
{
    *slot = 0;
    if (place->kind == PLACE_UNCHANGED || place->kind == PLACE_NOWHERE)
        return true;
    if (place->kind != (is_by_rbp ? PLACE_AT_RBP : PLACE_AT_CFA))
        return false;
    int64_t words = -(place->offset / WORD_BYTES) + is_by_rbp;
    *slot = (uint8_t)words;
    return place->offset % WORD_BYTES == 0 && words >= 1 && words <= SLOT_MAX;
}

/* What is not known of rbx matters to callers that go by rbx only, of which there are few. */
static struct frame_rule pack(const struct row *row)
{
    struct frame_rule rule = {.offset = (int32_t)row->cfa_offset, .reach = 1};
    bool is_by_rbp = row->rbp.kind == PLACE_AT_RBP || row->rbx.kind == PLACE_AT_RBP;
    bool has_return = row->rip.kind == PLACE_AT_CFA && row->rip.offset == -WORD_BYTES;
    if (!has_return || row->cfa_kind == CFA_OTHER || row->cfa_register >= FRAME_RIP || rule.offset != row->cfa_offset ||
        !find_slot(&row->rbp, is_by_rbp, &rule.rbp_slot))
        return rule_end;
    if (!find_slot(&row->rbx, is_by_rbp, &rule.rbx_slot))
        rule.rbx_slot = 0;
    unsigned slots_by = is_by_rbp ? FRAME_SLOTS_BY_RBP : 0;
    rule.how = (uint8_t)(row->cfa_register << FRAME_REGISTER_SHIFT | slots_by | FRAME_DIRECT);
    if (row->cfa_kind == CFA_INDIRECT) {
        rule.how = (uint8_t)(rule.how - FRAME_DIRECT + FRAME_INDIRECT);
        rule.reach = (uint8_t)(row->cfa_added / WORD_BYTES);
        return row->cfa_added / WORD_BYTES <= SLOT_MAX && row->cfa_added % WORD_BYTES == 0 ? rule : rule_end;
    }
    if (is_by_rbp || row->cfa_offset % WORD_BYTES != 0)
        return rule;
    if (row->cfa_register == FRAME_RSP || row->cfa_register == FRAME_RBP || row->cfa_register == FRAME_RBX) {
        rule.how = row->cfa_register == FRAME_RSP ? FRAME_BY_RSP
                                                  : (row->cfa_register == FRAME_RBP ? FRAME_BY_RBP : FRAME_BY_RBX);
        rule.reach = rule.rbp_slot > rule.reach ? rule.rbp_slot : rule.reach;
        rule.reach = rule.rbx_slot > rule.reach ? rule.rbx_slot : rule.reach;
    }
    return rule;
}

struct frame_rule gci_frame_rule_find(const struct module *module, uintptr_t at)
{
    struct cie cie;
    struct cursor program;
    struct machine machine = {.cie = &cie, .at = at};
    uintptr_t fde = find_fde(module, at);
    if (fde == 0 || !read_fde(module, fde, at, &cie, &machine.location, &program))
        return rule_unknown;
    if (cie.is_signal)
        return (struct frame_rule){.how = FRAME_SIGNAL};
    uintptr_t start = machine.location;
    machine.row.cfa_kind = CFA_OTHER;
    if (!run(&machine, cie.program))
        return rule_unknown;
    machine.first = machine.row;
    machine.location = start;
    return run(&machine, program) ? pack(&machine.row) : rule_unknown;
}
