/* A matrix as bytes with one fp32 scale a row, in a quarter of its size: two tensors of a safetensors file,
 *
 *     NAME         I8   (rows, columns)   q
 *     NAME.scale   F32  (rows)            s      x[i][j] = s[i] * q[i][j]
 *
 * s[i] = max over j of |x[i][j]|, over 127, so that no number is farther from what is read again than half of s[i]. */
#ifndef FORMATS_INT8_ROWS_H
#define FORMATS_INT8_ROWS_H

#include "formats/safetensors.h"

#define INT8_ROWS_SUFFIX ".scale"

/* The scale of row i of an entry, 0 of one of zeros. Refused, ATTN_ERROR_ARGUMENT, where a number is not finite, or so
 * large that what is read might not be; path begins the message. */
attn_status int8_row_scale(const char *path, const safetensors_entry *e, int64_t i, float *scale);

/* row / scale, rounded to nearest even. */
void int8_row_encode(int64_t columns, const float *row, float scale, int8_t *bytes);

/* The scales of an I8 tensor; NULL of another. ATTN_ERROR_FORMAT where an I8 tensor is no matrix, or its scales are
 * missing, of another type or shape than above, not finite or below 0; and where another tensor has scales. */
attn_status int8_rows_find_scales(const safetensors *s, const safetensors_tensor *t, const safetensors_tensor **scales);

/* Its elements as fp32, with the scales that were found. */
void int8_rows_read(const safetensors_tensor *t, const safetensors_tensor *scales, float *values);

#endif
