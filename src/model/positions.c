#include "model/positions.h"

#include <math.h>

void positions_fill(float *positions, int64_t count, int64_t width, int64_t stride)
{
    int64_t sines = (width + 1) / 2;
    for (int64_t k = 0; k < sines; k++) {
        double period = pow(10000, (double)(2 * k) / (double)width);
        for (int64_t p = 0; p < count; p++) {
            double angle = (double)p / period;
            positions[p * stride + k] = (float)sin(angle);
            if (sines + k < width) positions[p * stride + sines + k] = (float)cos(angle);
        }
    }
}
