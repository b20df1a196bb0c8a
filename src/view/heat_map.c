#include "view/heat_map.h"

#include "base/checked.h"
#include "base/status.h"
#include "view/label.h"

#include <math.h>
#include <stdlib.h>

void attn_seq_heat_map_init(attn_seq_heat_map *map)
{
    *map = (attn_seq_heat_map){.struct_size = sizeof *map, .low = 0, .high = 1};
}

attn_status heat_map_check(const attn_seq_heat_map *map)
{
    if (!map) return status_fail(ATTN_ERROR_ARGUMENT, "the heat map is NULL");
    if (map->struct_size != sizeof *map)
        return status_fail(ATTN_ERROR_ARGUMENT,
                           "the heat map's struct_size is %zu, expected %zu: call attn_seq_heat_map_init",
                           map->struct_size, sizeof *map);
    if (map->rows < 1 || map->rows > HEAT_MAP_MOST_CELLS)
        return status_fail(ATTN_ERROR_ARGUMENT, "the heat map has %lld rows, expected 1 to %d", (long long)map->rows,
                           HEAT_MAP_MOST_CELLS);
    if (map->columns < 1 || map->columns > HEAT_MAP_MOST_CELLS)
        return status_fail(ATTN_ERROR_ARGUMENT, "the heat map has %lld columns, expected 1 to %d",
                           (long long)map->columns, HEAT_MAP_MOST_CELLS);
    if (!map->values) return status_fail(ATTN_ERROR_ARGUMENT, "the heat map's values are NULL");
    if (!isfinite(map->low) || !isfinite(map->high) || !(map->low < map->high))
        return status_fail(ATTN_ERROR_ARGUMENT, "the heat map's scale is %g to %g, expected finite and rising",
                           (double)map->low, (double)map->high);
    return ATTN_OK;
}

double heat_map_level(const attn_seq_heat_map *map, float value)
{
    if (isnan(value)) return value;
    double level = ((double)value - map->low) / ((double)map->high - map->low);
    return level < 0 ? 0 : level > 1 ? 1 : level;
}

char **heat_map_labels(const char *const *labels, int64_t count)
{
    char **clean = calloc((size_t)count, sizeof *clean);
    if (!clean) return NULL;
    for (int64_t i = 0; i < count; i++) {
        clean[i] = labels ? label_clean(labels[i], HEAT_MAP_LABEL_LENGTH) : label_number(i);
        if (clean[i]) continue;
        heat_map_labels_free(clean, count);
        return NULL;
    }
    return clean;
}

void heat_map_labels_free(char **labels, int64_t count)
{
    if (!labels) return;
    for (int64_t i = 0; i < count; i++) free(labels[i]);
    free(labels);
}

static double block_mean(const attn_seq_heat_map *map, int64_t row, int64_t row_end, int64_t column, int64_t column_end)
{
    double sum = 0;
    for (int64_t i = row; i < row_end; i++)
        for (int64_t j = column; j < column_end; j++) sum += heat_map_level(map, map->values[i * map->columns + j]);
    return sum / (double)((row_end - row) * (column_end - column));
}

double *heat_map_pool(const attn_seq_heat_map *map, int64_t most, int64_t *rows, int64_t *columns)
{
    int64_t r = map->rows < most ? map->rows : most, c = map->columns < most ? map->columns : most;
    double *levels = malloc((size_t)r * (size_t)c * sizeof *levels);
    if (!levels) return NULL;
    for (int64_t i = 0; i < r; i++)
        for (int64_t j = 0; j < c; j++)
            levels[i * c + j] = block_mean(map, i * map->rows / r, (i + 1) * map->rows / r, j * map->columns / c,
                                           (j + 1) * map->columns / c);
    *rows = r;
    *columns = c;
    return levels;
}
