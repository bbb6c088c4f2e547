/* SPDX-License-Identifier: MIT */
/* A cache of the things used last: it keeps the newest few, and still finds the others as long as somebody else has them. */
#include "../check.h"

#include <gcalloc/rc.h>

#define KEPT 8
#define KNOWN 64

struct picture {
    int number;
    char *pixels;
};

static size_t loaded;
static size_t living;

static void picture_destroy(void *object)
{
    struct picture *picture = object;
    living--;
    gca_free(picture->pixels); /* not needed: the collector would find it later */
}

static const gca_type picture_type = {.name = "picture", .destroy = picture_destroy};

static struct picture *kept[KEPT]; /* the newest first */
static gca_weak_t known[KNOWN];

static struct picture *load(int number)
{
    struct picture *picture = gca_rc_new(sizeof *picture, &picture_type);
    picture->number = number;
    picture->pixels = gca_malloc_atomic(1000);
    loaded++;
    living++;
    return picture;
}

static void keep(struct picture *picture)
{
    int place = 0;
    while (place < KEPT - 1 && kept[place] != picture)
        place++;
    for (gca_retain(picture), gca_release(kept[place]); place > 0; place--)
        kept[place] = kept[place - 1];
    kept[0] = picture;
}

/* The caller's reference. */
static struct picture *get(int number)
{
    struct picture *picture = gca_weak_get(&known[number]);
    if (picture == NULL) {
        picture = load(number);
        CHECK(gca_weak_init(&known[number], picture) == 0);
    }
    keep(picture);
    return picture;
}

int main(void)
{
    for (int i = 0; i < KNOWN; i++)
        gca_release(get(i));
    CHECK(loaded == KNOWN && living == KEPT);
    gca_release(get(KNOWN - 1)); /* kept */
    CHECK(loaded == KNOWN);
    struct picture *first = get(0); /* not kept any more: loaded again */
    CHECK(loaded == KNOWN + 1 && first->number == 0);
    for (int i = 20; i < 20 + KEPT; i++)
        gca_release(get(i));
    size_t before = loaded;
    struct picture *again = get(0); /* not kept, but somebody has it */
    CHECK(again == first && loaded == before);
    gca_release(again);
    gca_release(first);
    for (int i = 0; i < KEPT; i++)
        gca_clear(&kept[i]);
    CHECK(living == 0);
    return check_result();
}
