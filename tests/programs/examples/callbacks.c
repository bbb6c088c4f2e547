/* SPDX-License-Identifier: MIT */
/* A registry of callbacks that does not keep those who registered: their places empty themselves. Notes about them, in
 * ephemerons, go with them.
 */
#include "../check.h"

#include <gcalloc/rc.h>

#define PLACES 1000

struct listener {
    void (*heard)(struct listener *listener, int event);
    int sum;
};

static void *places[PLACES]; /* weak: see gca_weak_link */
static gca_ephemeron *notes[PLACES];
static struct listener *kept;

static void add_up(struct listener *listener, int event)
{
    listener->sum += event;
}

static void enlist(size_t place, struct listener *listener)
{
    char *note = gca_malloc(40);
    snprintf(note, 40, "listener %zu", place);
    places[place] = listener;
    CHECK(gca_weak_link(&places[place], listener) == 0);
    notes[place] = gca_ephemeron_new(listener, note);
}

static NOINLINE void make_listeners(void)
{
    for (size_t i = 0; i < PLACES; i++) {
        struct listener *listener = GCA_NEW(struct listener);
        listener->heard = add_up;
        enlist(i, listener);
        if (i == 500)
            kept = listener;
    }
}

static size_t tell_all(int event)
{
    size_t told = 0;
    for (size_t i = 0; i < PLACES; i++) {
        struct listener *listener = places[i];
        if (listener == NULL)
            continue;
        listener->heard(listener, event);
        told++;
    }
    return told;
}

int main(void)
{
    make_listeners();
    CHECK(tell_all(3) == PLACES);
    overwrite_stack();
    collect_cleanly();
    size_t told = tell_all(4);
    CHECK(told >= 1 && told <= ONLY_STRAYS && kept->sum == 7);
    CHECK(strcmp(gca_ephemeron_value(notes[500]), "listener 500") == 0);
    for (size_t i = 0; i < PLACES; i++)
        CHECK((places[i] == NULL) == (gca_ephemeron_value(notes[i]) == NULL));
    return check_result();
}
