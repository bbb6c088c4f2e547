/* SPDX-License-Identifier: MIT */
/* One function for each kind of record. Each is checked whole before anything of it is kept, so that a profile never names what
 * it does not have. Edges and roots alone may name objects that come later in the file: gci_records_finish looks at those.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/profile/source.h"

#define MODULES_MOST ((size_t)1 << 16)
#define DEPTH_MOST 4096u /* of a stack, where the library writes 64 */

/* The library has no greater numbers of stacks and threads than this. Those of another one may be as great as the bytes in front
 * of them: a record for every sixteenth number. Anything else is no number but damage, which must not cost memory. */
#define NUMBERS_USUAL ((uint32_t)1 << 16)

/* One more element of an array of the profile, zero-filled. */
#define ADD(array, count, room) ((array) = add_element(array, &(count), &(room), sizeof *(array)), &(array)[(count)-1])

static void *add_element(void *array, size_t *count, size_t *room, size_t size)
{
    char *grown = gci_memory_grow(array, room, *count + 1, size);
    memset(grown + *count * size, 0, size);
    ++*count;
    return grown;
}

static void note_time(struct profile *profile, uint64_t time_ns)
{
    if (time_ns > profile->duration_ns)
        profile->duration_ns = time_ns;
}

/* A text that ends within the payload, from *at on; moves *at behind it. NULL: it does not end. */
static const char *take_text(struct profile *profile, const uint8_t *payload, size_t bytes, size_t *at)
{
    const uint8_t *text = payload + *at, *end = *at < bytes ? memchr(text, '\0', bytes - *at) : NULL;
    if (!end)
        return NULL;
    *at += (size_t)(end - text) + 1;
    return gci_memory_pool_text(&profile->source->pool, (const char *)text, (size_t)(end - text));
}

static bool is_near(const struct profile *profile, uint32_t number)
{
    return number > 0 && (number <= NUMBERS_USUAL || number < profile->source->offset);
}

/* ---- Kinds of records: false where something is wrong ---- */

static bool take_mapping(struct profile *profile, const uint8_t *payload, size_t bytes)
{
    struct profile_mapping mapping;
    size_t at = sizeof mapping;
    memcpy(&mapping, payload, sizeof mapping);
    if (mapping.end <= mapping.start || mapping.build_id_bytes > sizeof mapping.build_id ||
        profile->module_count >= MODULES_MOST)
        return false;
    const char *path = take_text(profile, payload, bytes, &at);
    if (!path)
        return false;
    struct profile_module *module = ADD(profile->modules, profile->module_count, profile->source->module_room);
    const char *slash = strrchr(path, '/');
    module->path = path[0] ? path : "[unknown]";
    module->name = slash && slash[1] ? slash + 1 : module->path;
    module->start = mapping.start;
    module->end = mapping.end;
    module->file_offset = mapping.file_offset;
    for (size_t i = 0; i < mapping.build_id_bytes; i++) {
        module->build_id[2 * i] = "0123456789abcdef"[mapping.build_id[i] >> 4];
        module->build_id[2 * i + 1] = "0123456789abcdef"[mapping.build_id[i] & 15];
    }
    return true;
}

static void make_threads(struct profile *profile, size_t count)
{
    struct profile_source *source = profile->source;
    profile->threads = gci_memory_grow(profile->threads, &source->thread_room, count, sizeof *profile->threads);
    profile->thread_system_ids =
        gci_memory_grow(profile->thread_system_ids, &source->thread_id_room, count, sizeof *profile->thread_system_ids);
    for (; profile->thread_count < count; profile->thread_count++) {
        profile->threads[profile->thread_count] = profile->thread_count == 0 ? "several" : "unknown";
        profile->thread_system_ids[profile->thread_count] = 0;
    }
}

static bool take_thread(struct profile *profile, const uint8_t *payload, size_t bytes)
{
    struct profile_thread thread;
    size_t at = sizeof thread;
    memcpy(&thread, payload, sizeof thread);
    const char *name = is_near(profile, thread.thread) ? take_text(profile, payload, bytes, &at) : NULL;
    if (!name)
        return false;
    if (thread.thread >= profile->thread_count)
        make_threads(profile, (size_t)thread.thread + 1);
    profile->threads[thread.thread] = name;
    profile->thread_system_ids[thread.thread] = thread.system_id;
    return true;
}

static void make_stacks(struct profile *profile, size_t count)
{
    struct profile_source *source = profile->source;
    profile->stacks = gci_memory_grow(profile->stacks, &source->stack_room, count, sizeof *profile->stacks);
    source->stacks = gci_memory_grow(source->stacks, &source->raw_room, count, sizeof *source->stacks);
    memset(profile->stacks + profile->stack_count, 0, (count - profile->stack_count) * sizeof *profile->stacks);
    memset(source->stacks + profile->stack_count, 0, (count - profile->stack_count) * sizeof *source->stacks);
    profile->stack_count = count;
}

/* The stack of this number, made if need be; NULL: the number cannot be right. */
static struct raw_stack *stack_of(struct profile *profile, uint32_t number)
{
    if (!is_near(profile, number))
        return NULL;
    if (number >= profile->stack_count)
        make_stacks(profile, (size_t)number + 1);
    struct raw_stack *stack = &profile->source->stacks[number];
    stack->is_new = true;
    return stack;
}

static bool take_stack(struct profile *profile, const uint8_t *payload, size_t bytes)
{
    struct profile_stack record;
    memcpy(&record, payload, sizeof record);
    if (record.depth > DEPTH_MOST || record.depth > (bytes - sizeof record) / sizeof(uint64_t))
        return false;
    struct raw_stack *stack = stack_of(profile, record.stack);
    if (!stack)
        return false;
    uint64_t *addresses = gci_memory_pool_take(&profile->source->pool, record.depth * sizeof *addresses);
    memcpy(addresses, payload + sizeof record, record.depth * sizeof *addresses);
    stack->addresses = addresses;
    stack->depth = record.depth;
    stack->modules = profile->module_count;
    return true;
}

static bool take_place(struct profile *profile, const uint8_t *payload, size_t bytes)
{
    struct profile_place place;
    size_t at = sizeof place;
    memcpy(&place, payload, sizeof place);
    const char *file = take_text(profile, payload, bytes, &at);
    const char *function = file ? take_text(profile, payload, bytes, &at) : NULL;
    struct raw_stack *stack = function ? stack_of(profile, place.stack) : NULL;
    if (!stack)
        return false;
    stack->file = file;
    stack->function = function;
    stack->line = place.line;
    return true;
}

static bool take_usage(struct profile *profile, const uint8_t *payload, size_t bytes)
{
    (void)bytes;
    struct profile_usage *usage = ADD(profile->usage, profile->usage_count, profile->source->usage_room);
    memcpy(usage, payload, sizeof *usage);
    note_time(profile, usage->time_ns);
    return true;
}

static bool take_cycle(struct profile *profile, const uint8_t *payload, size_t bytes)
{
    (void)bytes;
    struct profile_cycle *cycle = ADD(profile->cycles, profile->cycle_count, profile->source->cycle_room);
    memcpy(cycle, payload, sizeof *cycle);
    note_time(profile, cycle->time_ns);
    return true;
}

static bool take_moment(struct profile *profile, const uint8_t *payload, size_t bytes)
{
    struct profile_source *source = profile->source;
    (void)bytes;
    source->open_moment = profile->moment_count;
    source->row_room = 0;
    struct profile_moment_rows *rows = ADD(profile->moments, profile->moment_count, source->moment_room);
    memcpy(&rows->moment, payload, sizeof rows->moment);
    rows->number = source->open_moment;
    note_time(profile, rows->moment.time_ns);
    return true;
}

static bool take_figures(struct profile *profile, const uint8_t *payload, size_t bytes)
{
    struct profile_figures figures;
    (void)bytes;
    memcpy(&figures, payload, sizeof figures);
    if (profile->moment_count == 0 || figures.stack >= profile->stack_count || figures.thread >= profile->thread_count)
        return false;
    struct profile_moment_rows *moment = &profile->moments[profile->source->open_moment];
    *ADD(moment->rows, moment->count, profile->source->row_room) = figures;
    return true;
}

static bool take_leak(struct profile *profile, const uint8_t *payload, size_t bytes)
{
    struct profile_leak leak;
    (void)bytes;
    memcpy(&leak, payload, sizeof leak);
    if (leak.stack >= profile->stack_count || (leak.kind != PROFILE_LEAK_DIRECT && leak.kind != PROFILE_LEAK_INDIRECT))
        return false;
    *ADD(profile->leaks, profile->leak_count, profile->source->leak_room) = leak;
    note_time(profile, leak.time_ns);
    uint64_t *last_look_ns = &profile->source->last_look_ns[leak.is_collected ? 1 : 0];
    if (leak.time_ns > *last_look_ns)
        *last_look_ns = leak.time_ns;
    return true;
}

/* The payload's elements behind those of an array of the profile; false: they are not whole, or too many to number. */
#define TAKE_ARRAY(array, count, room, payload, bytes)                                                                 \
    ((bytes) % sizeof *(array) == 0 && (bytes) / sizeof *(array) < UINT32_MAX - (count) &&                             \
     ((array) = add_elements(array, &(count), &(room), sizeof *(array), payload, bytes), true))

static void *add_elements(void *array, size_t *count, size_t *room, size_t size, const uint8_t *payload, size_t bytes)
{
    char *grown = gci_memory_grow(array, room, *count + bytes / size + 1, size);
    if (bytes > 0)
        memcpy(grown + *count * size, payload, bytes);
    *count += bytes / size;
    return grown;
}

static bool take_objects(struct profile *profile, const uint8_t *payload, size_t bytes)
{
    size_t before = profile->object_count;
    if (!TAKE_ARRAY(profile->objects, profile->object_count, profile->source->object_room, payload, bytes))
        return false;
    for (size_t i = before; i < profile->object_count; i++) {
        if (profile->objects[i].stack >= profile->stack_count) {
            profile->object_count = before;
            return false;
        }
    }
    return true;
}

static bool take_edges(struct profile *profile, const uint8_t *payload, size_t bytes)
{
    return TAKE_ARRAY(profile->edges, profile->edge_count, profile->source->edge_room, payload, bytes);
}

static bool take_roots(struct profile *profile, const uint8_t *payload, size_t bytes)
{
    return TAKE_ARRAY(profile->roots, profile->root_count, profile->source->root_room, payload, bytes);
}

static bool take_sizes(struct profile *profile, const uint8_t *payload, size_t bytes)
{
    return TAKE_ARRAY(profile->sizes, profile->size_count, profile->source->size_room, payload, bytes);
}

static bool take_leaks_known(struct profile *profile, const uint8_t *payload, size_t bytes)
{
    struct profile_leaks_known known;
    (void)bytes;
    memcpy(&known, payload, sizeof known);
    profile->knows_leaks = true;
    note_time(profile, known.time_ns);
    return true;
}

static bool take_end(struct profile *profile, const uint8_t *payload, size_t bytes)
{
    (void)bytes;
    memcpy(&profile->end, payload, sizeof profile->end);
    profile->is_complete = true;
    note_time(profile, profile->end.time_ns);
    return true;
}

static const struct kind {
    size_t least_bytes;
    bool (*take)(struct profile *profile, const uint8_t *payload, size_t bytes);
} kinds[] = {
    [PROFILE_MAPPING] = {sizeof(struct profile_mapping), take_mapping},
    [PROFILE_THREAD] = {sizeof(struct profile_thread), take_thread},
    [PROFILE_STACK] = {sizeof(struct profile_stack), take_stack},
    [PROFILE_PLACE] = {sizeof(struct profile_place), take_place},
    [PROFILE_USAGE] = {sizeof(struct profile_usage), take_usage},
    [PROFILE_CYCLE] = {sizeof(struct profile_cycle), take_cycle},
    [PROFILE_MOMENT] = {sizeof(struct profile_moment), take_moment},
    [PROFILE_FIGURES] = {sizeof(struct profile_figures), take_figures},
    [PROFILE_LEAK] = {sizeof(struct profile_leak), take_leak},
    [PROFILE_OBJECTS] = {0, take_objects},
    [PROFILE_EDGES] = {0, take_edges},
    [PROFILE_ROOTS] = {0, take_roots},
    [PROFILE_SIZES] = {0, take_sizes},
    [PROFILE_END] = {sizeof(struct profile_end), take_end},
    [PROFILE_LEAKS_KNOWN] = {sizeof(struct profile_leaks_known), take_leaks_known},
};

bool gci_records_take(struct profile *profile, const struct profile_record *record)
{
    const struct kind *kind = record->kind < sizeof kinds / sizeof kinds[0] ? &kinds[record->kind] : NULL;
    if (record->kind == 0 || record->kind == PROFILE_HEADER)
        return false; /* zeros, or one file behind another */
    if (!kind)
        return true; /* of a newer gcalloc */
    return record->bytes >= kind->least_bytes && kind->take(profile, profile->source->payload, record->bytes);
}

/* The texts behind the header, which is taken already. */
bool gci_records_take_words(struct profile *profile, size_t bytes)
{
    const uint8_t *payload = profile->source->payload;
    size_t at = sizeof profile->header, count = profile->header.words;
    profile->executable = take_text(profile, payload, bytes, &at);
    if (!profile->executable || count > bytes - at)
        return false;
    const char **words = gci_memory_pool_take(&profile->source->pool, (count + 1) * sizeof *words);
    for (size_t i = 0; i < count; i++) {
        words[i] = take_text(profile, payload, bytes, &at);
        if (!words[i])
            return false;
    }
    words[count] = NULL;
    profile->words = words;
    make_stacks(profile, 1);
    make_threads(profile, 1);
    return true;
}

static int compare_moments(const void *a, const void *b)
{
    const struct profile_moment_rows *one = a, *other = b;
    if (one->moment.time_ns != other->moment.time_ns)
        return one->moment.time_ns < other->moment.time_ns ? -1 : 1;
    return one->number < other->number ? -1 : 1;
}

void gci_records_sort_moments(struct profile *profile)
{
    size_t open = profile->moment_count;
    if (open == 0)
        return;
    qsort(profile->moments, profile->moment_count, sizeof *profile->moments, compare_moments);
    while (profile->moments[open - 1].number != profile->moment_count - 1)
        open--;
    profile->source->open_moment = open - 1;
}

size_t gci_records_finish(struct profile *profile)
{
    size_t edges = 0, roots = 0, lost = profile->edge_count + profile->root_count;
    for (size_t i = 0; i < profile->edge_count; i++) {
        if (profile->edges[i].from < profile->object_count && profile->edges[i].to < profile->object_count)
            profile->edges[edges++] = profile->edges[i];
    }
    for (size_t i = 0; i < profile->root_count; i++) {
        if (profile->roots[i].object < profile->object_count)
            profile->roots[roots++] = profile->roots[i];
    }
    profile->edge_count = edges;
    profile->root_count = roots;
    return lost - edges - roots;
}
