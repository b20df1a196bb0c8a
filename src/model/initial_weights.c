#include "model/initial_weights.h"

#include "base/random.h"

#include <math.h>
#include <string.h>

bool initial_ends_with(const char *name, const char *end)
{
    size_t length = strlen(name), ending = strlen(end);
    return length >= ending && strcmp(name + length - ending, end) == 0;
}

static void fill_uniform(tensor *w, float limit, uint64_t key)
{
    int64_t count = tensor_count(w);
    for (int64_t i = 0; i < count; i++) {
        random_block r = random_philox(key, (uint64_t)i, 0);
        w->value[i] = limit * (2 * random_unit(r.word[0]) - 1);
    }
}

/* Box and Muller 1958; 1 - u keeps the logarithm's argument above 0. */
static void fill_normal(tensor *w, double deviation, uint64_t key)
{
    int64_t count = tensor_count(w);
    for (int64_t i = 0; i < count; i++) {
        random_block r = random_philox(key, (uint64_t)i, 0);
        double radius = sqrt(-2 * log(1 - (double)random_unit(r.word[0])));
        w->value[i] = (float)(deviation * radius * cos(6.283185307179586 * (double)random_unit(r.word[1])));
    }
}

static void fill(tensor *w, initial_weight how, uint64_t key)
{
    int64_t count = tensor_count(w);
    switch (how.kind) {
    case INITIAL_ZERO:
        return;
    case INITIAL_ONE:
        for (int64_t i = 0; i < count; i++) w->value[i] = 1;
        return;
    case INITIAL_IDENTITY:
        for (int64_t i = 0; i < w->shape[0]; i++) w->value[i * w->shape[1] + i] = 1;
        return;
    case INITIAL_NORMAL:
        fill_normal(w, how.deviation, key);
        return;
    case INITIAL_GLOROT:
        fill_uniform(w, sqrtf(6.0f / (float)(w->shape[0] + count / w->shape[0])), key);
        return;
    }
}

void initial_weights_fill(parameters *p, uint64_t seed, initial_weight (*of)(const void *model, const parameter *p),
                          const void *model)
{
    for (int64_t i = 0; i < p->count; i++)
        fill(&p->items[i].tensor, of(model, &p->items[i]), random_derive(seed, (uint64_t)i));
}
