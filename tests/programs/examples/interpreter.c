/* SPDX-License-Identifier: MIT */
/* The object model of an interpreter: values are counted, so that a closed file is closed at once; environments and closures
 * refer to each other in cycles, which the collector finds.
 */
#include "../check.h"

#include <gcalloc/rc.h>

struct value {
    enum { NUMBER, STRING, CLOSURE } kind;
    double number;
    char *text;                      /* gca_strdup: plain memory, collected with the value */
    struct environment *environment; /* of a closure */
};

struct binding {
    struct binding *next;
    const char *name;
    struct value *value;
};

struct environment {
    struct environment *outer;
    struct binding *bindings; /* plain blocks: they live and die with the environment */
};

static size_t living_values;
static size_t living_environments;

static void value_destroy(void *object)
{
    struct value *value = object;
    living_values--;
    gca_clear(&value->environment);
}

static void environment_destroy(void *object)
{
    struct environment *environment = object;
    living_environments--;
    for (struct binding *binding = environment->bindings; binding != NULL; binding = binding->next)
        gca_clear(&binding->value);
    gca_clear(&environment->outer);
}

static const gca_type value_type = {.name = "value", .destroy = value_destroy};
static const gca_type environment_type = {.name = "environment", .destroy = environment_destroy};

static struct value *new_value(int kind)
{
    struct value *value = gca_rc_new(sizeof *value, &value_type);
    value->kind = kind;
    living_values++;
    return value;
}

static struct environment *new_environment(struct environment *outer)
{
    struct environment *environment = gca_rc_new(sizeof *environment, &environment_type);
    gca_set(&environment->outer, outer);
    living_environments++;
    return environment;
}

static void bind(struct environment *environment, const char *name, struct value *value)
{
    struct binding *binding = GCA_NEW(struct binding);
    binding->name = name;
    gca_set(&binding->value, value);
    binding->next = environment->bindings;
    environment->bindings = binding;
}

static struct value *look_up(const struct environment *environment, const char *name)
{
    for (; environment != NULL; environment = environment->outer)
        for (struct binding *binding = environment->bindings; binding != NULL; binding = binding->next)
            if (strcmp(binding->name, name) == 0)
                return binding->value;
    return NULL;
}

/* let counter = { let n = 0; function tick() { n = n + 1 } }: the function's environment holds the function. */
static NOINLINE void call_function(struct environment *global)
{
    GCA_AUTO(struct environment) local = new_environment(global);
    GCA_AUTO(struct value) number = new_value(NUMBER);
    GCA_AUTO(struct value) closure = new_value(CLOSURE);
    number->number = 1;
    bind(local, "n", number);
    bind(local, "tick", closure);
    gca_set(&closure->environment, local);
    CHECK(look_up(local, "greeting") == look_up(global, "greeting") && look_up(local, "n")->number == 1);
}

int main(void)
{
    struct environment *global = new_environment(NULL);
    GCA_AUTO(struct value) greeting = new_value(STRING);
    greeting->text = gca_strdup("hello");
    bind(global, "greeting", greeting);
    gca_release(new_value(NUMBER));
    CHECK(living_values == 1); /* gone at once */
    for (int i = 0; i < 1000; i++)
        call_function(global);
    CHECK(living_environments == 1001);
    collect_cleanly();
    CHECK(living_environments <= 1 + ONLY_STRAYS && strcmp(look_up(global, "greeting")->text, "hello") == 0);
    gca_release(global);
    return check_result();
}
