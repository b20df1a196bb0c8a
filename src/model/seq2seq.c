#include "model/seq2seq.h"

void seq2seq_destroy(seq2seq *m)
{
    if (m->family) m->family->destroy(m->network);
    *m = (seq2seq){0};
}
