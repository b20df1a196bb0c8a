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

/* A new run would lose what it begins with. */
static attn_status refuse_same_directory(const attn_seq_train_options *o)
{
    struct stat from, model;
    if (stat(o->from, &from) != 0)
        return status_fail(ATTN_ERROR_FILE, "%s: cannot open the directory: %s", o->from, strerror(errno));
    if (stat(o->model, &model) != 0 || from.st_dev != model.st_dev || from.st_ino != model.st_ino) return ATTN_OK;
    return status_fail(ATTN_ERROR_ARGUMENT,
                       "from = %s, which is the directory that receives the model: expected another", o->from);
}

static attn_status begin_anew(training *r)
{
    attn_status s = r->o.from ? refuse_same_directory(&r->o) : ATTN_OK;
    if (s == ATTN_OK && r->o.from) s = r->kind->start_from(&r->o);
    return s == ATTN_OK ? complete(r) : s;
}

attn_status training_prepare(training *r)
{
    bool resume = r->o.start == ATTN_SEQ_TRAIN_RESUME;
    attn_status s = resume ? ATTN_OK : begin_anew(r);
    if (s == ATTN_OK) s = model_directory_take(r->o.model, !resume, &r->made_directory, &r->lock);
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
