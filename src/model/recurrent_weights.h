/* The weights of stacked recurrent layers: their names, and how forget gates begin. */
#ifndef MODEL_RECURRENT_WEIGHTS_H
#define MODEL_RECURRENT_WEIGHTS_H

#include "hidden/recurrent.h"
#include "model/weight_visitor.h"

/* The walk over p, layers * directions: `inputs` wide, `units` each, under PyTorch's names, encoder.weight_ih_l0,
 * encoder.weight_ih_l0_reverse and so on. */
attn_status recurrent_visit(recurrent_parameters *p, const char *prefix, int64_t layers, int directions, int64_t inputs,
                            int64_t units, int64_t gates, weight_visitor visit, void *argument);

/* An LSTM's forget gates begin open (Jozefowicz et al. 2015, section 2.2). */
void recurrent_open_forget_gates(const recurrent_parameters *p, int64_t count);

#endif
