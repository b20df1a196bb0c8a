#include "run.h"

#include "commands.h"
#include "failure.h"
#include "options.h"
#include "run_outputs.h"
#include "writable.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct run_options {
    const char *output, *mask, *window, *lse, *weights;
    bool causal;
    int64_t window_left, window_right, query_offset, threads;
    double scale, softcap;
} run_options;

typedef struct run_job {
    run_options options;
    run_input q, k, v, mask;
    run_sizes sizes;
    attn_desc desc;
    float *o, *lse, *weights;
    void *workspace;
} run_job;

static int parse_window(const command_line *line, run_options *o)
{
    if (!o->window) return -1;
    char left[32];
    size_t length = strcspn(o->window, ",");
    bool fine = o->window[length] == ',' && length < sizeof left;
    if (fine) {
        memcpy(left, o->window, length);
        left[length] = 0;
        fine = options_read_int(left, &o->window_left) && options_read_int(o->window + length + 1, &o->window_right);
    }
    if (fine && o->window_left >= -1 && o->window_right >= -1) return -1;
    return options_refuse(line, "--window: \"%s\", expected L,R: two whole numbers from -1 (unbounded) up", o->window);
}

static bool same(const char *path, const char *other)
{
    return path && other && !strcmp(path, other);
}

/* Each takes all of standard input. */
static int refuse_shared_input(const command_line *line, const run_options *o, char **files)
{
    int given = same(o->mask, "-");
    for (int i = 0; i < 3; i++) given += same(files[i], "-");
    return given < 2 ? -1 : options_refuse(line, "\"-\" is given twice: one array comes by standard input");
}

/* One file for two results would hold the last one only. */
static int refuse_shared_outputs(const command_line *line, const run_options *o)
{
    const char *path = same(o->output, o->lse) || same(o->output, o->weights) ? o->output
                       : same(o->lse, o->weights)                             ? o->lse
                                                                              : NULL;
    if (!path) return -1;
    return options_refuse(line, "\"%s\" is given twice: --output, --lse and --weights each need a file of their own",
                          path);
}

static int parse(run_options *o, int argc, char **argv, char ***files)
{
    *o = (run_options){.window_left = -1, .window_right = -1, .scale = NAN};
    const option table[] = {
        option_string('o', "output", "O.npy", &o->output, "where O goes, - for standard output (required)"),
        option_flag(0, "causal", &o->causal, "query i attends to keys up to i + offset only"),
        option_string(0, "window", "L,R", &o->window,
                      "to keys from L before to R after its position only; -1 is unbounded"),
        option_string(
            0, "mask", "M.npy", &o->mask,
            "numbers are added to the scores; booleans say where to attend (true); any shape that broadcasts to "
            "(B, H, T, S) as in NumPy"),
        option_int(0, "query-offset", "N", &o->query_offset, -INT64_C(1000000000000), INT64_C(1000000000000),
                   "position of the first query among the keys"),
        option_float(0, "scale", "S", &o->scale, -1e30, 1e30, "multiplies Q K^T (default 1/sqrt(D))"),
        option_float(0, "softcap", "C", &o->softcap, 0, 1e30, "cap each score to C tanh(score / C); 0: none"),
        option_string(0, "lse", "L.npy", &o->lse, "write the log-sum-exp of each row's scores, (B, H, T)"),
        option_string(0, "weights", "W.npy", &o->weights, "write the weights, (B, H, T, S)"),
        option_int(0, "threads", "N", &o->threads, 0, 1024, "0: as many as attn info says"),
    };
    const command_line line = {
        .command = "run",
        .operands = "Q.npy K.npy V.npy",
        .least_operands = 3,
        .most_operands = 3,
        .summary = "Computes O = softmax(mask(softcap(scale Q K^T) + bias)) V on arrays in NumPy's npy files.",
        .details = "Q is (B, H, T, D), K is (B, HK, S, D) and V is (B, HK, S, DV), where HK divides\n"
                   "H; or all three go without B, or without B and H. O is (B, H, T, DV), with as\n"
                   "many dimensions. Numbers of any type are read as 32-bit floats, and written so.\n"
                   "A query that no key is left for gives a row of zeros, log-sum-exp -inf. One of the\n"
                   "files may be -, standard input, and one of those written -, standard output.",
        .examples = "attn run Q.npy K.npy V.npy -o O.npy --causal\n"
                    "attn run Q.npy K.npy V.npy -o O.npy --window 128,0 --lse L.npy\n"
                    "make-queries | attn run - K.npy V.npy -o - | use-output",
        .options = table,
        .option_count = sizeof table / sizeof *table,
    };
    int count;
    int stop = options_parse(&line, argc, argv, files, &count);
    if (stop >= 0) return stop;
    if (!o->output) return options_refuse(&line, "--output O.npy is missing: where the result goes");
    stop = refuse_shared_input(&line, o, *files);
    if (stop < 0) stop = refuse_shared_outputs(&line, o);
    return stop >= 0 ? stop : parse_window(&line, o);
}

static int read_input(run_input *in, const char *path)
{
    static const char standard[] = "/dev/stdin";
    in->path = path;
    if (strcmp(path, "-") != 0)
        return attn_seq_array_read_npy(&in->array, path) == ATTN_OK ? 0 : failure_of_library("run");
    in->path = "standard input";
    if (attn_seq_array_read_npy(&in->array, standard) == ATTN_OK) return 0;
    return failure_of_library_about("run", standard, in->path);
}

static void describe(run_job *job)
{
    const run_sizes *n = &job->sizes;
    const run_options *o = &job->options;
    attn_desc *d = &job->desc;
    attn_desc_init(d, sizeof *d, n->B, n->H, n->HK, n->T, n->S, n->D, n->DV);
    d->q.data = job->q.array.values;
    d->k.data = job->k.array.values;
    d->v.data = job->v.array.values;
    d->causal = o->causal;
    d->window_left = o->window_left;
    d->window_right = o->window_right;
    d->query_offset = o->query_offset;
    d->softcap = (float)o->softcap;
    if (!isnan(o->scale)) d->scale = (float)o->scale;
    d->parallel.threads = (int)o->threads;
}

static int attach_mask(run_job *job)
{
    if (!job->options.mask) return 0;
    if (read_input(&job->mask, job->options.mask)) return 1;
    bool keeps = job->mask.array.flags != NULL;
    return run_mask_view(&job->mask, &job->sizes, keeps ? &job->desc.mask : &job->desc.bias);
}

/* Room for `what`, of the first `rank` of the four sizes; NULL after telling. */
static float *room_for(const char *what, const int64_t *shape, int rank)
{
    int64_t elements;
    if (run_elements(what, shape, rank, &elements)) return NULL;
    float *room = malloc(elements ? (size_t)elements * sizeof *room : 1);
    if (!room) failure("run", "%s: no memory for %lld numbers", what, (long long)elements);
    return room;
}

static int make_room(run_job *job)
{
    const run_sizes *n = &job->sizes;
    const run_options *o = &job->options;
    job->o = room_for(o->output, (int64_t[]){n->B, n->H, n->T, n->DV}, 4);
    if (!job->o) return 1;
    job->desc.o.data = job->o;
    if (o->lse && !(job->lse = room_for(o->lse, (int64_t[]){n->B, n->H, n->T}, 3))) return 1;
    job->desc.lse.data = job->lse;
    if (o->weights && !(job->weights = room_for(o->weights, (int64_t[]){n->B, n->H, n->T, n->S}, 4))) return 1;
    size_t size;
    if (attn_forward_workspace_size(&job->desc, &size) != ATTN_OK) return failure("run", "%s", attn_error());
    /* aligned_alloc wants a whole number of alignments */
    size_t rounded = (size + ATTN_ALIGNMENT - 1) / ATTN_ALIGNMENT * ATTN_ALIGNMENT;
    job->workspace = aligned_alloc(ATTN_ALIGNMENT, rounded ? rounded : ATTN_ALIGNMENT);
    if (!job->workspace) return failure("run", "no memory for a workspace of %zu bytes", size);
    if (attn_forward(&job->desc, job->workspace, size) != ATTN_OK) return failure("run", "%s", attn_error());
    if (!job->weights) return 0;
    const attn_output w = {job->weights, n->H * n->T * n->S, n->T * n->S, n->S};
    return attn_weights(&job->desc, NULL, &w) == ATTN_OK ? 0 : failure("run", "%s", attn_error());
}

/* With as many of the last sizes as the inputs have dimensions. */
static int write_outputs(const run_job *job)
{
    const run_sizes *n = &job->sizes;
    const run_options *o = &job->options;
    const int64_t of_o[] = {n->B, n->H, n->T, n->DV}, of_lse[] = {n->B, n->H, n->T}, of_w[] = {n->B, n->H, n->T, n->S};
    const int skipped = 4 - n->rank;
    const run_output outputs[] = {{o->output, n->rank, of_o + skipped, job->o},
                                  {o->lse, n->rank - 1, of_lse + skipped, job->lse},
                                  {o->weights, n->rank, of_w + skipped, job->weights}};
    return run_outputs_write(outputs, sizeof outputs / sizeof *outputs);
}

static int check_output(const char *path)
{
    if (!path) return 0;
    if (strcmp(path, "-") != 0) return writable_check("run", path);
    if (!isatty(STDOUT_FILENO)) return 0;
    return failure("run", "standard output is a terminal, expected a file or a pipe: what goes there is no text");
}

static int check_outputs(const run_options *o)
{
    return check_output(o->output) || check_output(o->lse) || check_output(o->weights);
}

static int perform(run_job *job, char **files)
{
    if (check_outputs(&job->options)) return 1;
    if (read_input(&job->q, files[0]) || read_input(&job->k, files[1]) || read_input(&job->v, files[2])) return 1;
    if (run_sizes_of(&job->q, &job->k, &job->v, &job->sizes)) return 1;
    describe(job);
    if (attach_mask(job) || make_room(job)) return 1;
    return write_outputs(job);
}

int command_run(int argc, char **argv)
{
    run_job job = {0};
    char **files;
    int stop = parse(&job.options, argc, argv, &files);
    if (stop >= 0) return stop;
    int status = perform(&job, files);
    attn_seq_array_clear(&job.q.array);
    attn_seq_array_clear(&job.k.array);
    attn_seq_array_clear(&job.v.array);
    attn_seq_array_clear(&job.mask.array);
    free(job.o);
    free(job.lse);
    free(job.weights);
    free(job.workspace);
    return status;
}
