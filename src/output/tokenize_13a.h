/* The tokenizer of NIST's mteval-v13a.pl, as WMT uses it and as sacreBLEU's "13a" reimplements it (Post, "A Call for
 * Clarity in Reporting BLEU Scores", 2018): what BLEU counts as a word. */
#ifndef OUTPUT_TOKENIZE_13A_H
#define OUTPUT_TOKENIZE_13A_H

#include "attn/attn.h"

/* The tokens of `text` (UTF-8, ends with NUL), joined by single spaces; malloc'ed. */
attn_status tokenize_13a(const char *text, char **tokens);

#endif
