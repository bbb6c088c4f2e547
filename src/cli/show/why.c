/* SPDX-License-Identifier: MIT */
#include "cli/show/why.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/base/arguments.h"
#include "cli/base/memory.h"
#include "cli/base/message.h"
#include "cli/print/json.h"
#include "cli/print/print.h"
#include "cli/print/rows.h"
#include "cli/print/view.h"
#include "cli/show/holdings.h"
#include "cli/symbols/data.h"

#define ROWS_USUAL 10
#define HOPS_SHOWN 32 /* of a longer way, as many from each end as make up this */

struct why {
    struct view view;
    uint64_t rows;
};

/* ---- Options ---- */

static const struct arguments_option options[] = {
    {.name = "top",
     .value = "NUMBER",
     .help = "So many rows in each list, in place of 10",
     .least = 1,
     ARGUMENTS_SET_NUMBER(struct why, rows)},
    {0},
};

static const struct arguments_part parts[] = {{&gci_view_arguments, offsetof(struct why, view)}, {0}};

const struct arguments gci_why_arguments = {
    .options = options,
    .words = "FILE|PID [ADDRESS|FUNCTION]",
    .about =
        "Shows what keeps an object alive: the shortest way from a root to the object at ADDRESS, or to the one that "
        "retains most of those that FUNCTION allocated. Without, what retains most."
        "\vAn object retains itself and all that only it keeps alive, which would go with it.",
    .parts = parts,
};

/* ---- Objects in words ---- */

static void print_site(const struct heap *heap, uint32_t stack, unsigned columns)
{
    uint32_t frame = gci_totals_frame(heap->profile, stack);
    if (frame == TOTALS_NO_FRAME)
        fputs("(not known)", stdout);
    else
        gci_print_frame(stdout, &heap->profile->frames[frame], columns);
}

static const char *thread_name(const struct profile *profile, uint32_t system_id)
{
    for (size_t i = 1; i < profile->thread_count; i++) {
        if (profile->thread_system_ids[i] == system_id)
            return profile->threads[i];
    }
    return NULL;
}

static const char *root_kind(uint32_t kind)
{
    static const char *const names[] = {
        [PROFILE_ROOT_STATIC] = "static",   [PROFILE_ROOT_STACK] = "stack",   [PROFILE_ROOT_REGISTER] = "register",
        [PROFILE_ROOT_MAPPING] = "mapping", [PROFILE_ROOT_KERNEL] = "kernel", [PROFILE_ROOT_ADDED] = "added",
        [PROFILE_ROOT_OWN] = "own"};
    return kind > 0 && kind < sizeof names / sizeof names[0] ? names[kind] : "unknown";
}

static void print_static(const struct heap *heap, const struct profile_root *root)
{
    struct data_name name;
    struct profile_modules modules = gci_profile_modules(heap->profile);
    gci_data_find(&name, &modules, root->address);
    if (name.symbol[0])
        printf("static data: %.60s+%" PRIu64, name.symbol, name.offset);
    else
        fputs("static data", stdout);
    if (name.module != PROFILE_NO_MODULE)
        printf(" of %.40s", heap->profile->modules[name.module].name);
    if (!name.symbol[0])
        printf(" at 0x%" PRIx64, root->address);
    putchar('\n');
}

static void print_thread(const struct heap *heap, const struct profile_root *root)
{
    const char *name = thread_name(heap->profile, root->thread);
    fputs(root->kind == PROFILE_ROOT_STACK ? "the stack of thread " : "a register of thread ", stdout);
    if (name)
        gci_print_text(stdout, name, 30);
    printf("%s%" PRIu32, name ? ", " : "", root->thread);
    if (root->kind == PROFILE_ROOT_STACK)
        printf(", at 0x%" PRIx64, root->address);
    putchar('\n');
}

static void print_root(const struct heap *heap, uint32_t number)
{
    static const char *const others[] = {[PROFILE_ROOT_MAPPING] = "other memory of the process",
                                         [PROFILE_ROOT_KERNEL] = "the kernel: epoll, a timer",
                                         [PROFILE_ROOT_ADDED] = "a root that the program added",
                                         [PROFILE_ROOT_OWN] = "itself: uncollectable or to be finalized"};
    const struct profile_root *root = number == RETAIN_NONE ? NULL : &heap->profile->roots[number];
    if (!root)
        puts("a root that the profile does not list");
    else if (root->kind == PROFILE_ROOT_STATIC)
        print_static(heap, root);
    else if (root->kind == PROFILE_ROOT_STACK || root->kind == PROFILE_ROOT_REGISTER)
        print_thread(heap, root);
    else if (root->kind < sizeof others / sizeof others[0] && others[root->kind] && root->address != 0)
        printf("%s, at 0x%" PRIx64 "\n", others[root->kind], root->address);
    else
        puts(root->kind < sizeof others / sizeof others[0] && others[root->kind] ? others[root->kind] : "a root");
}

/* ---- The way to an object ---- */

static void print_hop(const struct heap *heap, uint32_t object)
{
    const struct profile_object *record = &heap->profile->objects[object];
    uint32_t edge = heap->retain.way[object], entry = gci_holdings_entry(heap, object);
    char word[16] = "", into[16] = "";
    if (edge != RETAIN_NONE)
        snprintf(word, sizeof word, "+%" PRIu32, heap->profile->edges[edge].offset);
    if (entry != 0)
        snprintf(into, sizeof into, "+%" PRIu32, entry);
    int width =
        printf("%10s -> 0x%" PRIx64 "%s  %s  ", word, record->address, into, gci_print_bytes(record->bytes).text);
    print_site(heap, record->stack, PRINT_COLUMNS - (unsigned)width - 2);
    puts(gci_retain_is_doubtful(entry) ? " ?" : "");
}

static void print_hints(const struct heap *heap, uint32_t object)
{
    unsigned char marks = heap->retain.marks[object];
    if ((marks & RETAIN_DOUBTFUL) != 0)
        puts("\nWhere a ? stands, a word points to an odd place in the object. It may be a\n"
             "number or a text that only looks like a pointer, and no other way leads here.\n"
             "Memory that holds no pointers should come from gca_malloc_atomic.");
    uint32_t above = heap->retain.dominator[object];
    if ((marks & RETAIN_REACHABLE) != 0 && above != RETAIN_NONE) {
        printf("\nAll ways lead through 0x%" PRIx64 ": without it, this object would go.\n",
               heap->profile->objects[above].address);
    }
}

static void print_way(const struct heap *heap, uint32_t object)
{
    size_t count;
    uint32_t *way = gci_retain_way(&heap->retain, object, &count);
    const struct profile_object *record = &heap->profile->objects[object];
    printf("0x%" PRIx64 ": %s, retains %s in %s object%s\n", record->address, gci_print_bytes(record->bytes).text,
           gci_print_bytes(heap->retain.bytes[object]).text, gci_print_count(heap->retain.objects[object]).text,
           gci_print_plural(heap->retain.objects[object]));
    fputs("allocated by\n", stdout);
    gci_print_stack(stdout, heap->profile, record->stack, 4, UINT32_MAX);
    if ((heap->retain.marks[object] & RETAIN_REACHABLE) == 0) {
        puts((heap->retain.marks[object] & RETAIN_HEAD) != 0 ? "leaked: nothing points there"
                                                             : "leaked: only what is leaked points there");
    } else {
        fputs("kept by ", stdout);
        print_root(heap, heap->retain.way_root[way[0]]);
    }
    for (size_t i = 0; i < count; i++) {
        if (count > HOPS_SHOWN && i == HOPS_SHOWN / 2) {
            printf("%13s %zu object%s more\n", "..", count - HOPS_SHOWN, gci_print_plural(count - HOPS_SHOWN));
            i = count - HOPS_SHOWN / 2;
        }
        print_hop(heap, way[i]);
    }
    print_hints(heap, object);
    free(way);
}

/* ---- Which object is meant ---- */

static bool parse_address(const char *word, uint64_t *address)
{
    char *end;
    errno = 0;
    *address = strtoull(word, &end, word[0] == '0' && (word[1] | 0x20) == 'x' ? 16 : 10);
    return word[0] >= '0' && word[0] <= '9' && *end == '\0' && errno == 0;
}

static uint32_t object_at(const struct profile *profile, uint64_t address)
{
    for (uint32_t i = 0; i < profile->object_count; i++) {
        const struct profile_object *object = &profile->objects[i];
        if (address - object->address < object->bytes || address == object->address)
            return i;
    }
    return RETAIN_NONE;
}

/* A name as typed: in full, or without the parameters of C++ and what they belong to. */
static bool is_named(const struct profile_frame *frame, const char *word)
{
    const char *found = strstr(frame->function, word);
    size_t length = strlen(word);
    return found && (found == frame->function || found[-1] == ':' || found[-1] == ' ') &&
           (found[length] == '\0' || found[length] == '(' || found[length] == '<');
}

/* 2: the one that allocated; 1: elsewhere in the stack; 0: not there. */
static int rank_stack(const struct profile *profile, uint32_t stack, const char *word)
{
    const struct profile_stack_frames *frames = &profile->stacks[stack];
    uint32_t own = gci_totals_frame(profile, stack);
    if (own != TOTALS_NO_FRAME && is_named(&profile->frames[own], word))
        return 2;
    for (uint32_t i = 0; i < frames->count; i++) {
        if (is_named(&profile->frames[frames->frames[i]], word))
            return 1;
    }
    return 0;
}

static uint32_t object_of(const struct heap *heap, const char *word)
{
    const struct profile *profile = heap->profile;
    uint32_t found = RETAIN_NONE;
    int rank = 0;
    unsigned char *ranks = gci_memory_take(profile->stack_count, 1);
    for (uint32_t i = 0; i < profile->stack_count; i++)
        ranks[i] = (unsigned char)rank_stack(profile, i, word);
    for (uint32_t i = 0; i < profile->object_count; i++) {
        int here = ranks[profile->objects[i].stack];
        if (here == 0 || here < rank)
            continue;
        if (here > rank || heap->retain.bytes[i] > heap->retain.bytes[found])
            found = i;
        rank = here;
    }
    free(ranks);
    return found;
}

#define HOW_TO_KNOW "gcalloc record --graph --level=full knows where each comes from"

static bool is_of_samples(const struct profile *profile)
{
    return profile->header.level != PROFILE_LEVEL_FULL;
}

static uint32_t find_object(const struct heap *heap, const char *word)
{
    uint64_t address;
    uint32_t found = parse_address(word, &address) ? object_at(heap->profile, address) : object_of(heap, word);
    if (found == RETAIN_NONE)
        gci_message_fail(0, word, "no object of this address or function in %s%s", heap->profile->path,
                         is_of_samples(heap->profile) ? ", which has samples alone: " HOW_TO_KNOW : "");
    return found;
}

/* ---- What retains most ---- */

static uint32_t stack_of_site(const struct heap *heap, uint32_t site)
{
    uint32_t stack = 0;
    while (heap->totals.site_of[stack] != site)
        stack++;
    return stack;
}

static void print_holdings(const struct why *why, const struct heap *heap, const char *title,
                           const struct holding *holdings, size_t count, bool of_sites)
{
    if (count == 0)
        return;
    printf("\n%s\n%10s %12s  %-*s  %s\n", title, "retained", "objects", ROWS_BAR_COLUMNS, "share", "what");
    for (size_t i = 0; i < count && i < why->rows; i++) {
        const struct holding *holding = &holdings[i];
        printf("%10s %12s  %s  ", gci_print_bytes(holding->bytes).text, gci_print_count(holding->objects).text,
               gci_print_bar((double)holding->bytes, (double)heap->retain.reachable_bytes, ROWS_BAR_COLUMNS).text);
        if (of_sites) {
            print_site(heap, stack_of_site(heap, holding->number), PRINT_COLUMNS - ROWS_PLACE_COLUMN);
        } else {
            const struct profile_object *object = &heap->profile->objects[holding->number];
            int width = printf("0x%" PRIx64 "  ", object->address);
            print_site(heap, object->stack, PRINT_COLUMNS - ROWS_PLACE_COLUMN - (unsigned)width);
        }
        putchar('\n');
    }
    if (count > why->rows)
        printf("%*sand %zu more\n", ROWS_PLACE_COLUMN, "", count - (size_t)why->rows);
}

/* Of a profile of samples most objects have none. */
static void print_unknown(const struct profile *profile)
{
    uint64_t unknown = 0;
    for (uint32_t i = 0; i < profile->object_count; i++)
        unknown += gci_totals_frame(profile, profile->objects[i].stack) == TOTALS_NO_FRAME;
    if (unknown > 0 && is_of_samples(profile))
        printf("not known   %12s of %s objects are no samples: " HOW_TO_KNOW "\n", gci_print_count(unknown).text,
               gci_print_count(profile->object_count).text);
}

static void print_overview(const struct why *why, const struct heap *heap)
{
    const struct retain *retain = &heap->retain;
    size_t count;
    printf("reachable   %12s in %s object%s\n", gci_print_bytes(retain->reachable_bytes).text,
           gci_print_count(retain->reachable).text, gci_print_plural(retain->reachable));
    printf("unreachable %12s in %s object%s\n", gci_print_bytes(retain->unreachable_bytes).text,
           gci_print_count(retain->unreachable).text, gci_print_plural(retain->unreachable));
    if (retain->doubtful > 0)
        printf("doubtful    %12s in %s object%s that only odd words keep\n",
               gci_print_bytes(retain->doubtful_bytes).text, gci_print_count(retain->doubtful).text,
               gci_print_plural(retain->doubtful));
    print_unknown(heap->profile);
    struct holding *holdings = gci_holdings_of_objects(heap, &count);
    print_holdings(why, heap, "Objects that retain most", holdings, count, false);
    free(holdings);
    holdings = gci_holdings_of_sites(heap, &count);
    print_holdings(why, heap, "Places whose objects retain most", holdings, count, true);
    free(holdings);
    holdings = gci_holdings_doubtful(heap, &count);
    print_holdings(why, heap, "Kept by doubtful words", holdings, count, false);
    free(holdings);
    fputs("\nWhy one of them is alive:\n  gcalloc why ", stdout);
    gci_print_text(stdout, heap->profile->path, 46);
    puts(" ADDRESS|FUNCTION");
}

/* ---- JSON ---- */

static void print_object_json(const struct heap *heap, const char *key, uint32_t object)
{
    const struct profile_object *record = &heap->profile->objects[object];
    uint32_t frame = gci_totals_frame(heap->profile, record->stack);
    gci_json_open(key, '{');
    gci_json_number("address", record->address);
    gci_json_number("bytes", record->bytes);
    gci_json_number("retained_bytes", heap->retain.bytes[object]);
    gci_json_number("retained_objects", heap->retain.objects[object]);
    gci_rows_where_json(heap->profile, frame);
    if (heap->retain.way[object] != RETAIN_NONE)
        gci_json_number("from_offset", heap->profile->edges[heap->retain.way[object]].offset);
    gci_json_number("to_offset", gci_holdings_entry(heap, object));
    gci_json_close('}');
}

static void print_root_json(const struct heap *heap, uint32_t number)
{
    if (number == RETAIN_NONE) {
        gci_json_text("root", NULL);
        return;
    }
    const struct profile_root *root = &heap->profile->roots[number];
    struct data_name name = {.module = PROFILE_NO_MODULE};
    struct profile_modules modules = gci_profile_modules(heap->profile);
    if (root->kind == PROFILE_ROOT_STATIC)
        gci_data_find(&name, &modules, root->address);
    gci_json_open("root", '{');
    gci_json_text("kind", root_kind(root->kind));
    gci_json_number("address", root->address);
    gci_json_text("symbol", name.symbol[0] ? name.symbol : NULL);
    gci_json_number("symbol_offset", name.symbol[0] ? name.offset : 0);
    gci_json_text("module", name.module == PROFILE_NO_MODULE ? NULL : heap->profile->modules[name.module].path);
    gci_json_number("thread", root->thread);
    gci_json_text("thread_name", thread_name(heap->profile, root->thread));
    gci_json_close('}');
}

static void print_way_json(const struct heap *heap, uint32_t object)
{
    size_t count;
    uint32_t *way = gci_retain_way(&heap->retain, object, &count);
    gci_json_open(NULL, '{');
    print_object_json(heap, "object", object);
    gci_json_stack("stack", heap->profile, heap->profile->objects[object].stack);
    gci_json_flag("reachable", (heap->retain.marks[object] & RETAIN_REACHABLE) != 0);
    gci_json_flag("doubtful", (heap->retain.marks[object] & RETAIN_DOUBTFUL) != 0);
    print_root_json(heap, heap->retain.way_root[way[0]]);
    gci_json_open("path", '[');
    for (size_t i = 0; i < count; i++)
        print_object_json(heap, NULL, way[i]);
    gci_json_close(']');
    gci_json_close('}');
    putchar('\n');
    free(way);
}

static void print_sum_json(const char *key, uint64_t bytes, uint64_t objects)
{
    gci_json_open(key, '{');
    gci_json_number("bytes", bytes);
    gci_json_number("objects", objects);
    gci_json_close('}');
}

static void print_overview_json(const struct why *why, const struct heap *heap)
{
    size_t count;
    gci_json_open(NULL, '{');
    print_sum_json("reachable", heap->retain.reachable_bytes, heap->retain.reachable);
    print_sum_json("unreachable", heap->retain.unreachable_bytes, heap->retain.unreachable);
    print_sum_json("doubtful", heap->retain.doubtful_bytes, heap->retain.doubtful);
    struct holding *holdings = gci_holdings_of_objects(heap, &count);
    gci_json_open("objects", '[');
    for (size_t i = 0; i < count && i < why->rows; i++)
        print_object_json(heap, NULL, holdings[i].number);
    gci_json_close(']');
    free(holdings);
    holdings = gci_holdings_of_sites(heap, &count);
    gci_json_open("sites", '[');
    for (size_t i = 0; i < count && i < why->rows; i++) {
        gci_json_open(NULL, '{');
        gci_json_number("retained_bytes", holdings[i].bytes);
        gci_json_number("retained_objects", holdings[i].objects);
        gci_rows_where_json(heap->profile, heap->totals.sites[holdings[i].number].frame);
        gci_json_close('}');
    }
    gci_json_close(']');
    free(holdings);
    gci_json_close('}');
    putchar('\n');
}

/* ---- All together ---- */

static int show(const struct why *why, const struct heap *heap)
{
    if (why->view.count == 1) {
        (why->view.json ? print_overview_json : print_overview)(why, heap);
        return 0;
    }
    uint32_t object = find_object(heap, why->view.words[1]);
    if (object == RETAIN_NONE)
        return EXIT_OWN_FAILURE;
    (why->view.json ? print_way_json : print_way)(heap, object);
    return 0;
}

int gci_why_main(int argc, char **argv)
{
    struct why why = {.view = {.command = "why",
                               .least = 1,
                               .most = 2,
                               .what = "a profile or a process is",
                               .ask = VIEW_GRAPH,
                               .shows_objects = true},
                      .rows = ROWS_USUAL};
    int code;
    if (!gci_view_parse(&gci_why_arguments, argc, argv, &why.view, &why, &code))
        return code;
    struct profile *profile = gci_view_read(&why.view, why.view.words[0]);
    if (!profile)
        return EXIT_OWN_FAILURE;
    if (profile->object_count == 0) {
        code = gci_message_fail(EXIT_OWN_FAILURE, profile->path,
                                "has no graph of the heap: gcalloc record --graph writes one");
    } else {
        struct heap heap = {.profile = profile};
        gci_retain_make(&heap.retain, profile);
        gci_totals_make(&heap.totals, profile);
        code = gci_view_finish(show(&why, &heap));
        gci_retain_forget(&heap.retain);
        gci_totals_forget(&heap.totals);
    }
    gci_profile_forget(profile);
    return code;
}
