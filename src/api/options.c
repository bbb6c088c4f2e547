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
