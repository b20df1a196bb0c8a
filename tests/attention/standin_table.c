/* In place of the library's own table, that with the plain C stand-in for AMX's tiles: what a test is linked with, by
 * --wrap=kernels_table, to go through the operator on it. */
#include "../kernels/tile_standin.h"

#include <pthread.h>

const kernel_table *__wrap_kernels_table(void);

static kernel_table table;

static void fill_table(void)
{
    tile_standin_fill(&table, cpu_detect()->used);
}

const kernel_table *__wrap_kernels_table(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill_table);
    return &table;
}
