#include "model/initial_weights.h"

#include "base/random.h"

#include <math.h>
#include <string.h>

static bool ends_with(const char *name, const char *end)
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

static bool is_embedding(const translator *m, const tensor *w)
{
    return w == m->source.table || w == m->target.table || w == m->output_weight || w == m->source.learned_positions ||
           w == m->target.learned_positions;
}

void initial_weights_fill(translator *m, uint64_t seed)
{
    for (int64_t i = 0; i < m->parameters.count; i++) {
        tensor *w = &m->parameters.items[i].tensor;
        uint64_t key = random_derive(seed, (uint64_t)i);
        if (is_embedding(m, w))
            fill_normal(w, 1 / sqrt((double)m->config.d_model), key);
        else if (w->rank == 2 && w != m->output_bias)
            fill_uniform(w, sqrtf(6.0f / (float)(w->shape[0] + w->shape[1])), key);
        else if (ends_with(m->parameters.items[i].name, "norm.weight") || w == m->source.norm_gamma ||
                 w == m->target.norm_gamma)
            for (int64_t j = 0; j < w->shape[0]; j++) w->value[j] = 1;
    }
}
