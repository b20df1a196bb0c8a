#include "explain.h"

#include "commands.h"
#include "failure.h"
#include "options.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Four vectors of four numbers, so that sqrt(d) is 2: x3 is like both x1 and x2, x4 mostly like x2. */
static const float example[4][4] = {{1, 0, 1, 0}, {0, 2, 0, 2}, {1, 1, 1, 1}, {0, 2, 1, 0}};

static int use_example(matrix_list *list)
{
    matrix *m = &list->items[0];
    m->values = malloc(sizeof example);
    if (!m->values) return failure("explain", "no memory");
    memcpy(m->values, example, sizeof example);
    m->rows = m->columns = 4;
    list->count = 1;
    return 0;
}

/* A terminal has nothing to say unasked, nor has /dev/null. */
static bool something_is_piped(void)
{
    struct stat is;
    return fstat(STDIN_FILENO, &is) == 0 && (S_ISFIFO(is.st_mode) || S_ISREG(is.st_mode));
}

static int gather(matrix_list *list, char **files, int count)
{
    if (!count) return something_is_piped() ? matrix_list_read(list, "explain", "-") : use_example(list);
    for (int i = 0; i < count; i++)
        if (matrix_list_read(list, "explain", files[i])) return 1;
    return 0;
}

static int explain(const matrix_list *list, int64_t query, bool json)
{
    explain_steps steps;
    int status = explain_compute(&steps, list);
    if (status == 0 && query > steps.T)
        status = failure("explain", "--query: %lld, expected at most the last row of the queries, %lld",
                         (long long)query, (long long)steps.T);
    if (status == 0) {
        if (json)
            explain_print_json(&steps);
        else
            explain_print(&steps, query - 1);
    }
    explain_clear(&steps);
    return status;
}

int command_explain(int argc, char **argv)
{
    int64_t query = 1;
    bool json = false;
    const option table[] = {
        option_int('q', "query", "N", &query, 1, MATRIX_MOST_SIDE, "the query that is followed key by key"),
        option_flag(0, "json", &json, "print all steps, with all digits, as JSON"),
    };
    const command_line line = {
        .command = "explain",
        .operands = "[FILE]...",
        .most_operands = MATRIX_MOST_COUNT,
        .summary = "Shows the steps of attention on small matrices: similarity, softmax, output.",
        .details = "Without FILE, and with nothing piped or redirected to standard input: a worked\n"
                   "example of four vectors. Else one to three matrices, in as many files or in one:\n"
                   "  X        the sequence attends to itself\n"
                   "  X H      the sequence X attends to the sequence H\n"
                   "  Q K V    queries, keys and values\n"
                   "FILE is npy, or csv: a row a line, numbers with commas or blanks between them, an\n"
                   "empty line between matrices, # before remarks; - is csv from standard input. At most\n"
                   "32 rows and columns. Every step is computed here in 64-bit floats, the outcome\n"
                   "also by the library (attn_weights, attn_forward), and both must agree.",
        .examples = "attn explain\n"
                    "attn explain X.csv H.csv --query 2\n"
                    "printf '1 0\\n0 1\\n1 1\\n' | attn explain",
        .options = table,
        .option_count = sizeof table / sizeof *table,
    };
    char **files;
    int count;
    int stop = options_parse(&line, argc, argv, &files, &count);
    if (stop >= 0) return stop;
    matrix_list list = {0};
    int status = gather(&list, files, count);
    if (status == 0) status = explain(&list, query, json);
    matrix_list_clear(&list);
    return status;
}
