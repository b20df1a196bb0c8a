#include "view/largest_weights.h"

/* A heap with its smallest weight on top. */
static void sink(placed_weight *heap, int64_t count, placed_weight item)
{
    int64_t place = 0;
    for (int64_t child; (child = 2 * place + 1) < count; place = child) {
        if (child + 1 < count && heap[child + 1].weight < heap[child].weight) child++;
        if (item.weight <= heap[child].weight) break;
        heap[place] = heap[child];
    }
    heap[place] = item;
}

void largest_weights(const float *row, int64_t columns, int64_t keep, placed_weight *largest)
{
    for (int64_t i = 0; i < keep; i++) largest[i] = (placed_weight){0, 0};
    for (int64_t j = 0; j < columns; j++)
        if (row[j] > largest[0].weight) sink(largest, keep, (placed_weight){j, row[j]});
}
