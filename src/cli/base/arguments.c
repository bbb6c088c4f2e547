/* SPDX-License-Identifier: MIT */
#include "cli/base/arguments.h"

#include <argp.h>
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/base/message.h"

#define OPTION_BYTES 80 /* an option with as much of its word as a line needs to be understood */
#define OPTIONS_MOST 24 /* of one subcommand with all its parts */
#define TABLES_MOST 4
#define FIRST_KEY 256 /* behind all letters: argp shows options with such keys by their long names alone */

static const struct arguments_option help_option = {.name = "help", .letter = 'h', .help = "Show this help"};

/* The tables of one subcommand side by side, as argp takes them. */
struct parse {
    struct argp_option shown[OPTIONS_MOST + 1];
    const struct arguments_option *options[OPTIONS_MOST]; /* in the same order */
    size_t option_bases[OPTIONS_MOST];                    /* where the struct that they set begins in the input */
    const struct arguments *tables[TABLES_MOST];
    size_t table_bases[TABLES_MOST];
    size_t option_count, table_count;
    bool has_program;
    char *input;
    bool help;
};

/* ---- Parsing ---- */

static bool take_number(const char *option, const char *text, uint64_t least, uint64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 0);
    if (errno == 0 && end != text && *end == '\0' && text[0] >= '0' && text[0] <= '9' && *value >= least)
        return true;
    return gci_message_fail(false, option, "%.40s is no number from %" PRIu64 " on", text, least);
}

static bool take_option(const struct arguments_option *option, char *input, const char *value)
{
    char name[OPTION_BYTES];
    void *target = input + option->at;
    snprintf(name, sizeof name, "--%s", option->name);
    int place = option->choices ? gci_arguments_choice(name, option->choices, value) : 0;
    if (place < 0)
        return false;
    switch (option->kind) {
    case ARGUMENTS_FLAG:
        *(bool *)target = true;
        return true;
    case ARGUMENTS_TEXT:
        *(const char **)target = value;
        return true;
    case ARGUMENTS_NUMBER:
        return take_number(name, value, option->least, target);
    case ARGUMENTS_CHOICE:
        *(unsigned *)target = (unsigned)place;
        return true;
    case ARGUMENTS_TAKE:
        break;
    }
    return option->take(input, value);
}

static error_t take_words(const struct parse *parse, struct argp_state *state)
{
    int taken = 0, left = state->argc - state->next + 1;
    for (size_t i = 0; i < parse->table_count && taken == 0; i++) {
        if (parse->tables[i]->take_words)
            taken = parse->tables[i]->take_words(parse->input + parse->table_bases[i], state->argv + state->next - 1,
                                                 state->quoted != 0);
    }
    if (taken <= 0)
        return EINVAL;
    state->next += (taken < left ? taken : left) - 1; /* argp is past the first */
    return 0;
}

static error_t on_argument(int key, char *value, struct argp_state *state)
{
    struct parse *parse = state->input;
    if (key == ARGP_KEY_INIT) {
        state->err_stream = NULL; /* getopt has said what is wrong; argp would add a second line and exit */
        return 0;
    }
    if (key == ARGP_KEY_ARG)
        return take_words(parse, state);
    for (size_t i = 0; i < parse->option_count; i++) {
        if (parse->shown[i].key != key)
            continue;
        if (parse->options[i] != &help_option)
            return take_option(parse->options[i], parse->input + parse->option_bases[i], value) ? 0 : EINVAL;
        parse->help = true;
        state->next = state->argc;
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

/* ---- Tables ---- */

static void add_option(struct parse *parse, const struct arguments_option *option, size_t base)
{
    size_t place = parse->option_count++;
    assert(place < OPTIONS_MOST);
    parse->options[place] = option;
    parse->option_bases[place] = base;
    parse->shown[place] = (struct argp_option){.name = option->name,
                                               .key = option->letter ? option->letter : FIRST_KEY + (int)place,
                                               .arg = option->value,
                                               .flags = option->may_lack ? OPTION_ARG_OPTIONAL : 0,
                                               .doc = option->help,
                                               .group = option == &help_option ? -1 : 0};
}

static void add_table(struct parse *parse, const struct arguments *arguments, size_t base)
{
    assert(parse->table_count < TABLES_MOST);
    parse->tables[parse->table_count] = arguments;
    parse->table_bases[parse->table_count++] = base;
    parse->has_program = parse->has_program || arguments->has_program;
    for (const struct arguments_option *option = arguments->options; option && option->name; option++)
        add_option(parse, option, base);
}

/* The table, its parts, and theirs. */
static struct argp add_all(struct parse *parse, const struct arguments *arguments)
{
    add_table(parse, arguments, 0);
    for (size_t i = 0; i < parse->table_count; i++) {
        for (const struct arguments_part *part = parse->tables[i]->parts; part && part->arguments; part++)
            add_table(parse, part->arguments, parse->table_bases[i] + part->at);
    }
    add_option(parse, &help_option, 0);
    return (struct argp){
        .options = parse->shown, .parser = on_argument, .args_doc = arguments->words, .doc = arguments->about};
}

/* getopt puts argv[0] in front of its messages: with "gcalloc: run" they read as all our others do. */
bool gci_arguments_parse(const struct arguments *arguments, int argc, char **argv, const char *command, void *input,
                         int *code)
{
    struct parse parse = {.input = input};
    struct argp argp = add_all(&parse, arguments);
    char prefix[64], *given = argv[0];
    snprintf(prefix, sizeof prefix, "gcalloc: %s", command);
    argv[0] = prefix;
    error_t error =
        argp_parse(&argp, argc, argv, ARGP_NO_HELP | (parse.has_program ? ARGP_IN_ORDER : 0u), NULL, &parse);
    argv[0] = given;
    if (error == 0 && !parse.help)
        return true;
    *code = error != 0 ? EXIT_OWN_FAILURE : gci_arguments_help(arguments, command);
    return false;
}

int gci_arguments_help(const struct arguments *arguments, const char *command)
{
    struct parse parse = {0};
    struct argp argp = add_all(&parse, arguments);
    char name[64];
    snprintf(name, sizeof name, "gcalloc %s", command);
    argp_help(&argp, stdout, ARGP_HELP_LONG | ARGP_HELP_USAGE | ARGP_HELP_DOC, name);
    if (fflush(stdout) != 0)
        return gci_message_fail(EXIT_OWN_FAILURE, "standard output", "%s", strerror(errno));
    return 0;
}

/* ---- Values ---- */

int gci_arguments_choice(const char *option, const char *words, const char *word)
{
    char given[OPTION_BYTES];
    size_t length = strlen(word), here;
    int place = 0;
    for (const char *at = words;; at += here + 1, place++) {
        here = strcspn(at, "|");
        if (here == length && memcmp(at, word, length) == 0)
            return place;
        if (at[here] == '\0')
            break;
    }
    snprintf(given, sizeof given, "%s=%.40s", option, word);
    return gci_message_fail(-1, given, "not one of %s", words);
}

bool gci_arguments_bytes(const char *option, const char *text, uint64_t *value)
{
    static const char units[] = "KMG";
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    const char *unit = *end != '\0' ? strchr(units, *end) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    bool is_right = errno == 0 && end != text && text[0] >= '0' && text[0] <= '9' && end[unit ? 1 : 0] == '\0' &&
                    *value <= UINT64_MAX >> shift;
    *value <<= shift;
    return is_right || gci_message_fail(false, option, "%.40s is no number of bytes, such as 4096, 64K or 1M", text);
}
