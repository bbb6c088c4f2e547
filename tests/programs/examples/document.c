/* SPDX-License-Identifier: MIT */
/* A tree of elements with parent pointers, all of them counted: dropping the document drops cycles, which the collector
 * destroys together; and a question about what still keeps an element.
 */
#include "../check.h"

#include <gcalloc/rc.h>

struct element {
    struct element *parent;
    struct element *first_child;
    struct element *next;
    const char *tag;
};

static size_t living;

static void element_destroy(void *object)
{
    struct element *element = object;
    living--;
    gca_clear(&element->parent);
    gca_clear(&element->first_child);
    gca_clear(&element->next);
}

static const gca_type element_type = {.name = "element", .destroy = element_destroy};

static struct element *add(struct element *parent, const char *tag)
{
    struct element *element = gca_rc_new(sizeof *element, &element_type);
    living++;
    element->tag = tag;
    gca_set(&element->parent, parent);
    if (parent == NULL)
        return element;
    gca_set(&element->next, parent->first_child);
    gca_set(&parent->first_child, element);
    gca_release(element); /* the parent has it */
    return element;
}

static NOINLINE struct element *make_document(void)
{
    struct element *document = add(NULL, "document");
    for (int i = 0; i < 100; i++) {
        struct element *section = add(document, "section");
        for (int k = 0; k < 10; k++)
            add(section, "paragraph");
    }
    return document;
}

static bool count_elements(const struct gca_object *object, void *count)
{
    *(size_t *)count += object->type_name != NULL && strcmp(object->type_name, "element") == 0;
    return true;
}

int main(void)
{
    static struct element *volatile document;
    static struct element *volatile paragraph;
    size_t on_the_way = 0;
    document = make_document();
    paragraph = document->first_child->first_child;
    CHECK(living == 1101);
    CHECK(gca_path_to_root(paragraph, count_elements, &on_the_way) == 0 && on_the_way >= 2);
    paragraph = NULL;
    gca_release(document);
    document = NULL;
    CHECK(living == 1101);          /* each has its parent, and each parent its children */
    for (int i = 0; i < 100; i++) { /* other documents: what the window of the allocator kept goes too */
        gca_release(make_document());
        collect_cleanly();
    }
    CHECK(living <= 3 * 1101);
    return check_result();
}
