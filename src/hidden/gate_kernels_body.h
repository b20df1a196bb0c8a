/* The body of the gate kernels, included by one file per instruction set, which defines GATE_KERNELS_NAME (a string)
 * and GATE_KERNELS_TABLE (the table's identifier). See gate_kernels.h for what each does. Each kernel is a step of n
 * units, n = LANES but for the last one of a row. */
#include "hidden/gate_kernels.h"
#include "tensor/vector.h"

INLINE vec get(const float *p, int64_t n)
{
    return n == LANES ? load(p) : load_part(p, n);
}

INLINE void put(float *p, vec v, int64_t n)
{
    if (n == LANES)
        store(p, v);
    else
        store_part(p, v, n);
}

INLINE void rnn_step(int64_t n, const float *recurrent, float *gates, float *h)
{
    const vec y = hyperbolic_tangent(get(gates, n) + get(recurrent, n));
    put(gates, y, n);
    put(h, y, n);
}

static void rnn(int64_t H, const float *recurrent, float *gates, float *h)
{
    int64_t i = 0;
    for (; i + LANES <= H; i += LANES) rnn_step(LANES, recurrent + i, gates + i, h + i);
    if (i < H) rnn_step(H - i, recurrent + i, gates + i, h + i);
}

INLINE void rnn_back_step(int64_t n, const float *gates, float *d_h, float *d_gates)
{
    const vec y = get(gates, n);
    put(d_gates, get(d_h, n) * (1.0f - y * y), n);
    put(d_h, all(0), n);
}

static void rnn_back(int64_t H, const float *gates, float *d_h, float *d_gates)
{
    int64_t i = 0;
    for (; i + LANES <= H; i += LANES) rnn_back_step(LANES, gates + i, d_h + i, d_gates + i);
    if (i < H) rnn_back_step(H - i, gates + i, d_h + i, d_gates + i);
}

INLINE void lstm_step(int64_t n, int64_t H, const float *recurrent, const float *c_before, float *gates, float *c,
                      float *h)
{
    const vec i = sigmoid(get(gates, n) + get(recurrent, n));
    const vec f = sigmoid(get(gates + H, n) + get(recurrent + H, n));
    const vec g = hyperbolic_tangent(get(gates + 2 * H, n) + get(recurrent + 2 * H, n));
    const vec o = sigmoid(get(gates + 3 * H, n) + get(recurrent + 3 * H, n));
    const vec cell = multiply_add(f, get(c_before, n), i * g);
    put(gates, i, n);
    put(gates + H, f, n);
    put(gates + 2 * H, g, n);
    put(gates + 3 * H, o, n);
    put(c, cell, n);
    put(h, o * hyperbolic_tangent(cell), n);
}

static void lstm(int64_t H, const float *recurrent, const float *c_before, float *gates, float *c, float *h)
{
    int64_t i = 0;
    for (; i + LANES <= H; i += LANES) lstm_step(LANES, H, recurrent + i, c_before + i, gates + i, c + i, h + i);
    if (i < H) lstm_step(H - i, H, recurrent + i, c_before + i, gates + i, c + i, h + i);
}

INLINE void lstm_back_step(int64_t n, int64_t H, const float *gates, const float *c_before, const float *c, float *d_h,
                           float *d_c, float *d_gates)
{
    const vec i = get(gates, n), f = get(gates + H, n), g = get(gates + 2 * H, n), o = get(gates + 3 * H, n);
    const vec tanh_c = hyperbolic_tangent(get(c, n)), dh = get(d_h, n);
    const vec dc = multiply_add(dh * o, 1.0f - tanh_c * tanh_c, get(d_c, n));
    put(d_gates, dc * g * i * (1.0f - i), n);
    put(d_gates + H, dc * get(c_before, n) * f * (1.0f - f), n);
    put(d_gates + 2 * H, dc * i * (1.0f - g * g), n);
    put(d_gates + 3 * H, dh * tanh_c * o * (1.0f - o), n);
    put(d_c, dc * f, n);
    put(d_h, all(0), n);
}

static void lstm_back(int64_t H, const float *gates, const float *c_before, const float *c, float *d_h, float *d_c,
                      float *d_gates)
{
    int64_t i = 0;
    for (; i + LANES <= H; i += LANES)
        lstm_back_step(LANES, H, gates + i, c_before + i, c + i, d_h + i, d_c + i, d_gates + i);
    if (i < H) lstm_back_step(H - i, H, gates + i, c_before + i, c + i, d_h + i, d_c + i, d_gates + i);
}

INLINE void gru_step(int64_t n, int64_t H, const float *recurrent, const float *h_before, float *gates,
                     float *recurrent_n, float *h)
{
    const vec r = sigmoid(get(gates, n) + get(recurrent, n));
    const vec z = sigmoid(get(gates + H, n) + get(recurrent + H, n));
    const vec u = get(recurrent + 2 * H, n);
    const vec candidate = hyperbolic_tangent(multiply_add(r, u, get(gates + 2 * H, n)));
    put(gates, r, n);
    put(gates + H, z, n);
    put(gates + 2 * H, candidate, n);
    put(recurrent_n, u, n);
    put(h, multiply_add(z, get(h_before, n) - candidate, candidate), n);
}

static void gru(int64_t H, const float *recurrent, const float *h_before, float *gates, float *recurrent_n, float *h)
{
    int64_t i = 0;
    for (; i + LANES <= H; i += LANES)
        gru_step(LANES, H, recurrent + i, h_before + i, gates + i, recurrent_n + i, h + i);
    if (i < H) gru_step(H - i, H, recurrent + i, h_before + i, gates + i, recurrent_n + i, h + i);
}

INLINE void gru_back_step(int64_t n, int64_t H, const float *gates, const float *recurrent_n, const float *h_before,
                          float *d_h, float *d_gates, float *d_recurrent)
{
    const vec r = get(gates, n), z = get(gates + H, n), candidate = get(gates + 2 * H, n), dh = get(d_h, n);
    const vec dn = dh * (1.0f - z) * (1.0f - candidate * candidate);
    const vec dr = dn * get(recurrent_n, n) * r * (1.0f - r);
    const vec dz = dh * (get(h_before, n) - candidate) * z * (1.0f - z);
    put(d_gates, dr, n);
    put(d_gates + H, dz, n);
    put(d_gates + 2 * H, dn, n);
    put(d_recurrent, dr, n);
    put(d_recurrent + H, dz, n);
    put(d_recurrent + 2 * H, dn * r, n);
    put(d_h, dh * z, n);
}

static void gru_back(int64_t H, const float *gates, const float *recurrent_n, const float *h_before, float *d_h,
                     float *d_gates, float *d_recurrent)
{
    int64_t i = 0;
    for (; i + LANES <= H; i += LANES)
        gru_back_step(LANES, H, gates + i, recurrent_n + i, h_before + i, d_h + i, d_gates + i, d_recurrent + i);
    if (i < H) gru_back_step(H - i, H, gates + i, recurrent_n + i, h_before + i, d_h + i, d_gates + i, d_recurrent + i);
}

const gate_kernels GATE_KERNELS_TABLE = {GATE_KERNELS_NAME, rnn, rnn_back, lstm, lstm_back, gru, gru_back};
