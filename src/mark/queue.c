/* SPDX-License-Identifier: MIT */
/* The queue of units; the argument stands in mark/marker.h. */
#include "mark/marker.h"
#include "platform/cpu.h"

/* Some 20 microseconds: as long as falling asleep and being woken takes. */
#define SPINS_BEFORE_SLEEP 500

bool gci_queue_join(struct unit_queue *queue)
{
    gci_lock_acquire(&queue->lock);
    bool joins = !queue->is_over;
    queue->markers += joins;
    gci_lock_release(&queue->lock);
    return joins;
}

static void call_all(struct unit_queue *queue)
{
    u32_store(&queue->calls, u32_load(&queue->calls) + 1);
    gci_wake_all(&queue->calls);
}

/* Lock held. */
static void give(struct marker *marker)
{
    struct unit_queue *queue = marker->queue;
    bool may_be_waited_for = queue->count == 0 && marker->out_count > 0;
    for (uint32_t i = 0; i < marker->out_count; i++)
        queue_push(queue, marker->out[i]);
    if (may_be_waited_for && u32_load(&queue->waiting) != 0)
        call_all(queue);
    marker->out_count = 0;
}

/* Lock held, and the queue is not empty: a fair share of it. */
static void take(struct marker *marker)
{
    struct unit_queue *queue = marker->queue;
    uint32_t share = (queue->count + queue->markers - 1) / queue->markers;
    marker->in_count = share < BATCH_UNITS ? share : BATCH_UNITS;
    marker->in_next = 0;
    for (uint32_t i = 0; i < marker->in_count; i++)
        marker->in[i] = queue_pop(queue);
}

static void sleep_for_call(struct unit_queue *queue, uint32_t seen)
{
    for (int i = 0; i < SPINS_BEFORE_SLEEP && u32_load(&queue->calls) == seen; i++)
        gci_cpu_relax();
    while (u32_load_acquire(&queue->calls) == seen)
        gci_park(&queue->calls, seen, PARK_FOREVER);
}

/* Lock held, before and after. False: it is the end. */
static bool wait_for_units(struct unit_queue *queue)
{
    while (queue->count == 0) {
        u32_store(&queue->waiting, u32_load(&queue->waiting) + 1);
        if (u32_load(&queue->waiting) == queue->markers) {
            queue->is_over = true;
            call_all(queue);
        }
        if (queue->is_over)
            return false;
        uint32_t seen = u32_load(&queue->calls);
        gci_lock_release(&queue->lock);
        sleep_for_call(queue, seen);
        gci_lock_acquire(&queue->lock);
        u32_store(&queue->waiting, u32_load(&queue->waiting) - 1);
        if (queue->is_over)
            return false;
    }
    return true;
}

bool gci_queue_exchange(struct marker *marker, bool may_wait)
{
    struct unit_queue *queue = marker->queue;
    gci_lock_acquire(&queue->lock);
    give(marker);
    bool wants = marker->in_next == marker->in_count;
    bool found = queue->count > 0 || (may_wait && wait_for_units(queue));
    if (wants && found)
        take(marker);
    u32_store(&queue->available, queue->count);
    gci_lock_release(&queue->lock);
    return found;
}
