/* SPDX-License-Identifier: MIT */
/* Options from the environment and from gca_option_set: one table, made of base/options.def. */
#include "base/options.h"

#include <errno.h>
#include <gcalloc.h>

#include "api/init.h"
#include "base/bits.h"
#include "platform/env.h"

enum option_type { TYPE_CHOICE, TYPE_FLAG, TYPE_BYTES, TYPE_NUMBER, TYPE_TEXT };

struct option_row {
    const char *name;
    const char *variable; /* of the environment, but in lower case */
    enum option_type type;
    enum option_when when;
    const char *choices;
    uint64_t low;
    uint64_t high;
    void *value;
};

#define OPTION_CHOICE(name, default_value, when, choices, help)                                                        \
    {#name, "GCALLOC_" #name, TYPE_CHOICE, when, choices, 0, 0, &gci_options.name},
#define OPTION_FLAG(name, default_value, when, help)                                                                   \
    {#name, "GCALLOC_" #name, TYPE_FLAG, when, "0|1", 0, 1, &gci_options.name},
#define OPTION_BYTES(name, default_value, low, high, when, help)                                                       \
    {#name, "GCALLOC_" #name, TYPE_BYTES, when, NULL, low, high, &gci_options.name},
#define OPTION_NUMBER(name, default_value, low, high, when, help)                                                      \
    {#name, "GCALLOC_" #name, TYPE_NUMBER, when, NULL, low, high, &gci_options.name},
#define OPTION_TEXT(name, when, help) {#name, "GCALLOC_" #name, TYPE_TEXT, when, NULL, 0, 0, gci_options.name},
static const struct option_row rows[] = {
#include "base/options.def"
};
#define ROW_COUNT (sizeof rows / sizeof rows[0])

/* Index of the word among those separated by '|'. */
static bool find_choice(const char *choices, const char *value, uint64_t *index)
{
    *index = 0;
    for (const char *at = choices;; (*index)++) {
        const char *p = value;
        while (*at != '\0' && *at != '|' && *at == *p) {
            at++;
            p++;
        }
        if ((*at == '\0' || *at == '|') && *p == '\0')
            return true;
        while (*at != '\0' && *at != '|')
            at++;
        if (*at++ == '\0')
            return false;
    }
}

static bool parse_number(const struct option_row *row, const char *value, uint64_t *number)
{
    const char *at = value;
    if (row->type == TYPE_BYTES ? !gci_text_parse_bytes(value, number)
                                : !gci_text_read_decimal(&at, number) || *at != '\0')
        return false;
    return *number >= row->low && *number <= row->high;
}

static bool set_text(char *to, const char *value)
{
    size_t length = 0;
    while (value[length] != '\0')
        length++;
    if (length >= OPTION_TEXT_BYTES)
        return false;
    __builtin_memcpy(to, value, length + 1);
    return true;
}

static bool set_option(const struct option_row *row, const char *value)
{
    uint64_t number;
    if (row->type == TYPE_TEXT)
        return set_text(row->value, value);
    bool is_valid =
        row->choices != NULL ? find_choice(row->choices, value, &number) : parse_number(row, value, &number);
    if (is_valid)
        *(uint64_t *)row->value = number;
    return is_valid;
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static void add_upper(struct text *text, const char *string)
{
    for (; *string != '\0'; string++) {
        char letter[2] = {upper(*string), '\0'};
        gci_text_add(text, letter);
    }
}

static void add_expectation(struct text *text, const struct option_row *row)
{
    gci_text_add(text, ": not ");
    if (row->choices != NULL) {
        gci_text_add(text, "one of ");
        gci_text_add(text, row->choices);
    } else if (row->type == TYPE_TEXT) {
        gci_text_add(text, "shorter than ");
        gci_text_add_decimal(text, OPTION_TEXT_BYTES);
        gci_text_add(text, " bytes");
    } else {
        gci_text_add(text, row->type == TYPE_BYTES ? "a number of bytes (K, M, G, T) from " : "a number from ");
        gci_text_add_decimal(text, row->low);
        if (row->high != UINT64_MAX) {
            gci_text_add(text, " to ");
            gci_text_add_decimal(text, row->high);
        }
    }
}

static void add_value(struct text *text, const struct option_row *row)
{
    uint64_t number = row->type == TYPE_TEXT ? 0 : *(const uint64_t *)row->value;
    const char *choice = row->choices;
    if (choice == NULL) {
        if (row->type == TYPE_TEXT)
            gci_text_add(text, "nothing");
        else
            gci_text_add_decimal(text, number);
        return;
    }
    for (; number > 0; choice++)
        number -= *choice == '|';
    size_t length = 0;
    while (choice[length] != '\0' && choice[length] != '|')
        length++;
    gci_text_add_limited(text, choice, length);
}

#define SHOWN_VALUE_BYTES 100

static void report_bad_value(const struct option_row *row, const char *value)
{
    struct text text;
    gci_text_init(&text);
    add_upper(&text, row->variable);
    gci_text_add(&text, "=");
    gci_text_add_limited(&text, value, SHOWN_VALUE_BYTES);
    add_expectation(&text, row);
    gci_text_add(&text, "; using ");
    add_value(&text, row);
    gci_env_report(&text);
}

/* ---- Variables that no option has ---------------------------------------------------------------------------------- */

#define PREFIX "GCALLOC_"
#define NAME_BYTES_MAX 32u /* of what is compared; the longest name of an option is far shorter */

/* How many letters have to be added, left out or changed to make one name of the other; at most NAME_BYTES_MAX letters count.
 * `lower` is in lower case. */
static size_t distance(const char *lower, const char *name, size_t length)
{
    size_t row[NAME_BYTES_MAX + 1];
    for (size_t i = 0; i <= length; i++)
        row[i] = i;
    for (size_t step = 1; *lower != '\0'; lower++, step++) {
        size_t diagonal = row[0];
        row[0] = step;
        for (size_t i = 1; i <= length; i++) {
            size_t changed = diagonal + (upper(*lower) != upper(name[i - 1]));
            diagonal = row[i];
            size_t one_more = (row[i] < row[i - 1] ? row[i] : row[i - 1]) + 1;
            row[i] = changed < one_more ? changed : one_more;
        }
    }
    return row[length];
}

/* NULL where none is so near that it can be meant. */
static const struct option_row *find_nearest(const char *name, size_t length)
{
    const struct option_row *nearest = NULL;
    size_t least = length / 2;
    for (size_t i = 0; i < ROW_COUNT && length <= NAME_BYTES_MAX; i++) {
        size_t away = distance(rows[i].name, name, length);
        if (away > least || (away == least && nearest != NULL))
            continue;
        nearest = &rows[i];
        least = away;
    }
    return nearest;
}

static void report_unknown(const char *variable, size_t length)
{
    struct text text;
    size_t prefix = sizeof PREFIX - 1;
    const struct option_row *nearest = find_nearest(variable + prefix, length - prefix);
    gci_text_init(&text);
    gci_text_add_limited(&text, variable, length < SHOWN_VALUE_BYTES ? length : SHOWN_VALUE_BYTES);
    gci_text_add(&text, ": no such option");
    if (nearest != NULL) {
        gci_text_add(&text, "; nearest is ");
        add_upper(&text, nearest->variable);
    }
    gci_env_report(&text);
}

static bool is_known(const char *name, size_t length)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        size_t same = 0;
        while (same < length && rows[i].name[same] != '\0' && upper(rows[i].name[same]) == name[same])
            same++;
        if (same == length && rows[i].name[same] == '\0')
            return true;
    }
    return false;
}

static void report_all_unknown(void)
{
    for (char *const *entry = gci_env_all(); *entry != NULL; entry++) {
        size_t length = 0;
        while ((*entry)[length] != '=' && (*entry)[length] != '\0')
            length++;
        size_t prefix = sizeof PREFIX - 1;
        if (gci_text_starts_with(*entry, PREFIX) && !is_known(*entry + prefix, length - prefix))
            report_unknown(*entry, length);
    }
}

void gci_options_from_environment(void)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        struct text variable;
        gci_text_init(&variable);
        add_upper(&variable, rows[i].variable);
        const char *value = gci_env_get(variable.bytes);
        if (value != NULL && !set_option(&rows[i], value))
            report_bad_value(&rows[i], value);
    }
    report_all_unknown();
}

GCA_API int gca_option_set(const char *name, const char *value)
{
    if (name == NULL || value == NULL)
        return EINVAL;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (!gci_text_equals(rows[i].name, name))
            continue;
        if (rows[i].when != LIVE)
            return EBUSY;
        if (!set_option(&rows[i], value))
            return EINVAL;
        gci_runner_apply();
        return gci_init_apply_options() ? 0 : EBUSY;
    }
    return ENOENT;
}
