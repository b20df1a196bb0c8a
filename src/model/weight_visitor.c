#include "model/weight_visitor.h"

#include "base/status.h"

#include <stdio.h>

static attn_status declare(void *argument, tensor **slot, const char *name, int rank, const int64_t *shape)
{
    (void)slot;
    if (parameters_declare(argument, name, rank, shape) >= 0) return ATTN_OK;
    return status_fail(ATTN_ERROR_MEMORY, "no memory for the model");
}

attn_status weights_declare(parameters *p, weight_walk walk, void *model)
{
    return walk(model, declare, p);
}

/* Finds the slots' parameters by counting: the walk's order is the declarations'. */
typedef struct binding {
    parameters *parameters;
    int64_t next;
} binding;

static attn_status bind(void *argument, tensor **slot, const char *name, int rank, const int64_t *shape)
{
    (void)name;
    (void)rank;
    (void)shape;
    binding *b = argument;
    *slot = &b->parameters->items[b->next++].tensor;
    return ATTN_OK;
}

void weights_bind(parameters *p, weight_walk walk, void *model)
{
    binding b = {p, 0};
    walk(model, bind, &b);
}

attn_status visit_vector(weight_visitor visit, void *argument, tensor **slot, const char *name, int64_t size)
{
    return visit(argument, slot, name, 1, &size);
}

attn_status visit_matrix(weight_visitor visit, void *argument, tensor **slot, const char *name, int64_t rows,
                         int64_t columns)
{
    const int64_t shape[2] = {rows, columns};
    return visit(argument, slot, name, 2, shape);
}

static attn_status visit_layer_weight(weight_visitor visit, void *argument, transformer_layer *layer,
                                      const layer_weight *weight, const char *name, const layer_stack *s)
{
    tensor **slot = (tensor **)((char *)layer + weight->member);
    switch (weight->shape) {
    case LAYER_WEIGHT_D:
        return visit_vector(visit, argument, slot, name, s->d);
    case LAYER_WEIGHT_F:
        return visit_vector(visit, argument, slot, name, s->f);
    case LAYER_WEIGHT_K:
        return visit_vector(visit, argument, slot, name, s->k);
    case LAYER_WEIGHT_H:
        return visit_vector(visit, argument, slot, name, s->h);
    case LAYER_WEIGHT_KD:
        return visit_matrix(visit, argument, slot, name, s->k, s->d);
    case LAYER_WEIGHT_DD:
        return visit_matrix(visit, argument, slot, name, s->d, s->d);
    case LAYER_WEIGHT_FD:
        return visit_matrix(visit, argument, slot, name, s->f, s->d);
    default:
        return visit_matrix(visit, argument, slot, name, s->d, s->f);
    }
}

attn_status visit_layers(weight_visitor visit, void *argument, const layer_stack *stack, const layer_weight *weights,
                         size_t weight_count)
{
    for (int64_t i = 0; i < stack->count; i++) {
        for (size_t w = 0; w < weight_count; w++) {
            if (weights[w].decoder_only && !stack->decoder) continue;
            if (weights[w].shape == LAYER_WEIGHT_H && !stack->h) continue;
            char name[160];
            snprintf(name, sizeof name, "%s%lld.%s", stack->prefix, (long long)i, weights[w].name);
            attn_status status = visit_layer_weight(visit, argument, &stack->layers[i], &weights[w], name, stack);
            if (status != ATTN_OK) return status;
        }
    }
    return ATTN_OK;
}
