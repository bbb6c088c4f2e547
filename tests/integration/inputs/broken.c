/* SPDX-License-Identifier: MIT */
/* Does not compile: the compiler's messages must be the same under gcalloc. */
struct point {
    int x, y;
};

int wrong(struct point *p)
{
    return p->z + undeclared + wrong(p, 1);
}
