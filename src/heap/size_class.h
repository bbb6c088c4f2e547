/* SPDX-License-Identifier: MIT */
/* Size classes: which slot size serves a request.
 *
 * Steps of 16 bytes to 256, then eight to a doubling (at most 12.5 % of a slot is unused), and above 2 KiB the sizes that
 * fill a block of 64 KiB best: 65536 / n rounded down to 16. Powers of two are all there, so an alignment up to half a
 * block is served by a class whose size is a multiple of it (slots start at a multiple of their size in the block).
 */
#ifndef GCI_HEAP_SIZE_CLASS_H
#define GCI_HEAP_SIZE_CLASS_H

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

#define GRANULE_BYTES 16u
#define BLOCK_BYTES 65536u
#define BLOCK_SHIFT 16
#define SMALL_BYTES_MAX 32768u

// clang-format off
#define SIZE_CLASSES(X)                                                                                                \
    X(16) X(32) X(48) X(64) X(80) X(96) X(112) X(128) X(144) X(160) X(176) X(192) X(208) X(224) X(240) X(256)          \
    X(288) X(320) X(352) X(384) X(416) X(448) X(480) X(512) X(576) X(640) X(704) X(768) X(832) X(896) X(960)           \
    X(1024) X(1152) X(1280) X(1408) X(1536) X(1664) X(1792) X(1920) X(2048) X(2336) X(2720) X(3120) X(3632)            \
    X(4096) X(4672) X(5456) X(6544) X(7280) X(8192) X(9360) X(10912) X(13104) X(16384) X(21840) X(32768)
// clang-format on

#define COUNT_ONE(bytes) +1
enum { CLASS_COUNT = 0 SIZE_CLASSES(COUNT_ONE) };
#undef COUNT_ONE
STATIC_ASSERT(CLASS_COUNT <= 64, "a class fits six bits of the hot word");

/* Blocks of the classes from CLASS_FEW_SLOTS on have at most 32 slots. */
#define FEW_SLOTS_BYTES_MIN 2048u
#define COUNT_SMALLER(bytes) +((bytes) < FEW_SLOTS_BYTES_MIN)
enum { CLASS_FEW_SLOTS = 0 SIZE_CLASSES(COUNT_SMALLER) };
#undef COUNT_SMALLER

struct size_class {
    uint32_t bytes;
    uint32_t reciprocal; /* ceil(2^32 / bytes): offset * reciprocal >> 32 is the slot for every offset in a block */
    uint32_t slots;      /* whole slots in a block */
    uint32_t words;      /* words of bitmap that hold them */
    uint32_t worth;      /* free slots that make a block worth searching again: with less, a search yields one or two;
                            1 where there are few slots */
};

extern const struct size_class gci_size_classes[CLASS_COUNT] HIDDEN;

/* sizeof(struct window) of heap/cache.h, as the table below holds offsets into an array of windows. */
#define WINDOW_BYTES 32u

/* Class times WINDOW_BYTES by (bytes + 15) / 16; filled by gci_size_class_init, all zero before: class 0 of a thread
 * without a cache is empty, so the first request of the process reaches the slow path whatever its size. */
extern uint16_t gci_window_of_granules[SMALL_BYTES_MAX / GRANULE_BYTES + 1] HIDDEN;

void gci_size_class_init(void);

/* bytes <= SMALL_BYTES_MAX in both. */
ALWAYS_INLINE size_t size_class_window(size_t bytes)
{
    return gci_window_of_granules[(bytes + GRANULE_BYTES - 1) / GRANULE_BYTES];
}

ALWAYS_INLINE size_t size_class_of(size_t bytes)
{
    return size_class_window(bytes) / WINDOW_BYTES;
}

/* By the logarithm of an alignment and a class: the smallest class from that one on whose size is a multiple of the
 * alignment, CLASS_COUNT if there is none. Filled by gci_size_class_init. */
#define ALIGNMENT_SHIFT_MAX 15
extern uint8_t gci_class_at_alignment[ALIGNMENT_SHIFT_MAX + 1][CLASS_COUNT] HIDDEN;
STATIC_ASSERT(1u << ALIGNMENT_SHIFT_MAX == SMALL_BYTES_MAX, "larger alignments have no class");

/* The smallest class of at least `bytes` whose size is a multiple of `alignment`, a power of two; CLASS_COUNT if there is
 * none. */
static inline unsigned size_class_aligned(size_t bytes, size_t alignment)
{
    if (bytes > SMALL_BYTES_MAX || alignment > SMALL_BYTES_MAX)
        return CLASS_COUNT;
    return gci_class_at_alignment[__builtin_ctzl(alignment)][size_class_of(bytes)];
}

/* Slot of an offset in a block, for the class with this reciprocal. Error term: bytes * reciprocal = 2^32 + e with
 * e < bytes, so slot * e < 2^16 <= reciprocal, and the fraction below is less than reciprocal exactly at slot starts. */
ALWAYS_INLINE uint32_t slot_of_offset(uint32_t offset, uint32_t reciprocal)
{
    return (uint32_t)(((uint64_t)offset * reciprocal) >> 32);
}

#endif
