/* The body of the row kernels, included by one file per instruction set, which defines ROW_KERNELS_NAME (a string) and
 * ROW_KERNELS_TABLE (the table's identifier). See row_kernels.h for what each does. */
#include "tensor/activation_rows.h"
#include "tensor/adam_rows.h"
#include "tensor/cross_entropy_rows.h"
#include "tensor/dropout_rows.h"
#include "tensor/layer_norm_rows.h"
#include "tensor/narrow_rows.h"
#include "tensor/row_kernels.h"
#include "tensor/row_sums.h"

const row_kernels ROW_KERNELS_TABLE = {
    .name = ROW_KERNELS_NAME,
    .add = add,
    .multiply = multiply,
    .scale = scale,
    .add_scaled = add_scaled,
    .sum = sum,
    .narrow = narrow,
    .narrow_and_sum = narrow_and_sum,
    .narrow_sums = narrow_sums,
    .narrow_slopes_back = narrow_slopes_back,
    .square_sum = square_sum,
    .column_sums = column_sums,
    .dropout = dropout,
    .dropout_back = dropout_back,
    .dropout_back_add = dropout_back_add,
    .relu = relu,
    .relu_back = relu_back,
    .gelu = gelu,
    .gelu_and_slope = gelu_and_slope,
    .swish = swish,
    .swish_and_slope = swish_and_slope,
    .tanh = tanh_run,
    .tanh_back = tanh_back,
    .narrow_activations = {NULL, narrow_relu, narrow_gelu, narrow_swish, narrow_tanh},
    .layer_norm = layer_norm,
    .layer_norm_back = layer_norm_back,
    .log_sum_exp = log_sum_exp,
    .softmax_gradient = softmax_gradient,
    .adam = adam,
};
