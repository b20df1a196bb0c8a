/* What the drawings of a heat map share: checks, levels, labels, and a matrix small enough to be drawn. */
#ifndef VIEW_HEAT_MAP_H
#define VIEW_HEAT_MAP_H

#include "attn/seq.h"

#define HEAT_MAP_MOST_CELLS 65536 /* rows or columns that are accepted */
#define HEAT_MAP_LABEL_LENGTH 48  /* characters of a label that are shown */
#define HEAT_MAP_TITLE_LENGTH 400

attn_status heat_map_check(const attn_seq_heat_map *map);

/* Where a value stands on the scale: 0 at low, 1 at high, clamped; NaN stays NaN. */
double heat_map_level(const attn_seq_heat_map *map, float value);

/* `count` clean labels from labels, or numbers where it is NULL; NULL without memory. */
char **heat_map_labels(const char *const *labels, int64_t count);
void heat_map_labels_free(char **labels, int64_t count);

/* The levels averaged over near equal blocks, so that neither side exceeds `most`: levels (*rows, *columns), to be
 * freed; NULL without memory. */
double *heat_map_pool(const attn_seq_heat_map *map, int64_t most, int64_t *rows, int64_t *columns);

#endif
