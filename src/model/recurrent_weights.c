#include "model/recurrent_weights.h"

#include <stdio.h>

static attn_status visit_direction(recurrent_parameters *p, const char *prefix, int64_t layer, bool reverse,
                                   int64_t inputs, int64_t units, int64_t gates, weight_visitor visit, void *argument)
{
    const struct {
        const char *name;
        tensor **slot;
        int64_t columns; /* 0: a vector */
    } weights[] = {
        {"weight_ih", &p->input_weight, inputs},
        {"weight_hh", &p->recurrent_weight, units},
        {"bias_ih", &p->input_bias, 0},
        {"bias_hh", &p->recurrent_bias, 0},
    };
    attn_status status = ATTN_OK;
    for (int i = 0; i < 4 && status == ATTN_OK; i++) {
        char name[96];
        snprintf(name, sizeof name, "%s.%s_l%lld%s", prefix, weights[i].name, (long long)layer,
                 reverse ? "_reverse" : "");
        status = weights[i].columns
                     ? visit_matrix(visit, argument, weights[i].slot, name, gates * units, weights[i].columns)
                     : visit_vector(visit, argument, weights[i].slot, name, gates * units);
    }
    return status;
}

attn_status recurrent_visit(recurrent_parameters *p, const char *prefix, int64_t layers, int directions, int64_t inputs,
                            int64_t units, int64_t gates, weight_visitor visit, void *argument)
{
    attn_status status = ATTN_OK;
    for (int64_t l = 0; l < layers; l++)
        for (int d = 0; d < directions && status == ATTN_OK; d++)
            status = visit_direction(&p[l * directions + d], prefix, l, d == 1, l ? directions * units : inputs, units,
                                     gates, visit, argument);
    return status;
}

void recurrent_open_forget_gates(const recurrent_parameters *p, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        const int64_t units = p[i].recurrent_weight->shape[1];
        for (int64_t j = 0; j < units; j++) p[i].input_bias->value[units + j] = 1;
    }
}
