#include "train/training.h"

#include "base/parallel.h"
#include "base/random.h"
#include "base/status.h"
#include "train/model_directory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static attn_status complete(training *r)
{
    const setting_default *defaults = NULL;
    attn_status s = r->kind->defaults ? r->kind->defaults(r->task, &r->o, &defaults) : ATTN_OK;
    return s == ATTN_OK ? settings_complete(&r->o, defaults, r->kind->learns_from) : s;
}

/* The checkpoint's settings, where none were said. */
static attn_status take_up(training *r)
{
    attn_status s = checkpoint_open(&r->checkpoint, r->o.model, r->kind->name);
    if (s == ATTN_OK) s = checkpoint_adopt(&r->checkpoint, &r->o);
    if (s == ATTN_OK) s = complete(r);
    const char *format = s == ATTN_OK ? safetensors_metadata(r->checkpoint.file, "format") : NULL;
    r->changes_format = format && strtoll(format, NULL, 10) != r->o.format;
    return s;
}

/* Before anything is read or written: the CPU may lack the products that are asked for. */
static attn_status create_tape(training *r)
{
    r->threads = r->o.threads > 0 ? (int)r->o.threads : parallel_default_threads();
    attn_status s = tape_create(&r->tape, TAPE_TRAIN, r->threads);
    if (s != ATTN_OK) return s;
    return tape_set_products(r->tape, r->o.compute == ATTN_SEQ_COMPUTE_BF16 ? DENSE_BF16 : DENSE_FP32);
}

static attn_status load(training *r, bool begin)
{
    const training_setup setup = {&r->o, begin, &r->replaces, r->threads, &r->state.step, {training_tell, r}};
    return r->kind->load(r->task, &setup, &r->facts);
}

static attn_status create_state(training *r)
{
    parameters *p = NULL;
    attn_status s = r->kind->create(r->task, random_derive((uint64_t)r->o.seed, KEY_WEIGHTS), &p);
    return s == ATTN_OK ? train_state_create(&r->state, p, r->o.weight_decay, r->o.average > 0) : s;
}

static attn_status cannot_open(const char *directory)
{
    return status_fail(ATTN_ERROR_FILE, "%s: cannot open the directory: %s", directory, strerror(errno));
}

/* A new run would lose what it begins with. Asked of the directory once it is there: before, its path may not lead to
 * it yet, as in base/new/../../base. */
static attn_status refuse_same_directory(const attn_seq_train_options *o, int taken)
{
    struct stat from, model;
    if (stat(o->from, &from) != 0 || fstat(taken, &model) != 0) return cannot_open(o->from);
    if (from.st_dev != model.st_dev || from.st_ino != model.st_ino) return ATTN_OK;
    return status_fail(ATTN_ERROR_ARGUMENT,
                       "from = %s, which is the directory that receives the model: expected another", o->from);
}

static attn_status begin_anew(training *r)
{
    if (r->o.from && access(r->o.from, F_OK) != 0) return cannot_open(r->o.from);
    attn_status s = r->o.from ? r->kind->start_from(&r->o) : ATTN_OK;
    return s == ATTN_OK ? complete(r) : s;
}

/* The directory for this run alone, without what a run left there that never got to its first checkpoint. */
static attn_status take_directory(training *r, bool resume)
{
    attn_status s = model_directory_take(r->o.model, !resume, &r->made_directory, &r->lock);
    if (s == ATTN_OK && !resume && r->o.from) s = refuse_same_directory(&r->o, r->lock);
    if (s == ATTN_OK && model_directory_recover(r->o.model))
        training_tell(r, "a run was killed here before its first checkpoint: what it left is removed");
    return s;
}

attn_status training_prepare(training *r)
{
    bool resume = r->o.start == ATTN_SEQ_TRAIN_RESUME;
    attn_status s = resume ? ATTN_OK : begin_anew(r);
    if (s == ATTN_OK) s = take_directory(r, resume);
    r->replaces = r->o.start == ATTN_SEQ_TRAIN_REPLACE;
    if (s == ATTN_OK && !resume && !r->replaces) s = model_directory_refuse(r->o.model);
    r->begins = s == ATTN_OK && !resume;
    if (s == ATTN_OK && resume) s = take_up(r);
    if (s == ATTN_OK) s = create_tape(r);
    if (s == ATTN_OK) s = load(r, !resume);
    if (s == ATTN_OK) s = create_state(r);
    if (s == ATTN_OK && resume) s = checkpoint_restore(&r->checkpoint, &r->state, r->facts.fingerprint);
    r->clock.seconds = r->saved_at = r->state.seconds;
    return s;
}

void training_clear(training *r)
{
    tape_destroy(r->tape);
    train_state_clear(&r->state);
    r->kind->clear(r->task);
    checkpoint_clear(&r->checkpoint);
    if (r->lock >= 0) close(r->lock);
}
