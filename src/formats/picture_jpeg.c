/* JPEG through libjpeg, whose errors jump: the jump ends in `decode`, and everything that must survive it lives in the
 * caller's `jpeg_task`. */
#include "formats/picture.h"

#include "base/status.h"

#include <setjmp.h>
#include <stdio.h> /* before jpeglib.h, which needs it */
#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>
#include <jerror.h>

/* A picture of many progressive scans costs as many passes over all its pixels. */
#define MOST_SCANS 200

typedef struct jpeg_task {
    struct jpeg_error_mgr errors; /* first: libjpeg's pointer to it is the task's too */
    struct jpeg_progress_mgr progress;
    struct jpeg_decompress_struct reader;
    jmp_buf jump;
    const char *name;
    const unsigned char *bytes;
    size_t size;
    picture picture;
    uint8_t *row; /* of CMYK */
    attn_status status;
    char words[JMSG_LENGTH_MAX];
} jpeg_task;

static void leave(j_common_ptr reader)
{
    jpeg_task *t = (jpeg_task *)reader->err;
    reader->err->format_message(reader, t->words);
    longjmp(t->jump, 1);
}

/* A warning (level -1) is of damaged data, from which libjpeg would go on with grey: refused. Bytes too many between
 * two markers lose nothing, and cameras write them. */
static void refuse_damage(j_common_ptr reader, int level)
{
    if (level < 0 && reader->err->msg_code != JWRN_EXTRANEOUS_DATA) leave(reader);
}

static void stay_silent(j_common_ptr reader)
{
    (void)reader;
}

static void count_scans(j_common_ptr reader)
{
    jpeg_task *t = (jpeg_task *)reader->err;
    if (t->reader.input_scan_number <= MOST_SCANS) return;
    snprintf(t->words, sizeof t->words, "more than %d scans", MOST_SCANS);
    longjmp(t->jump, 1);
}

/* As Adobe writes it, CMYK is stored inverted: 255 is no ink. */
static void cmyk_to_rgb(const uint8_t *cmyk, int64_t width, bool inverted, uint8_t *rgb)
{
    const unsigned flip = inverted ? 255 : 0;
    for (int64_t x = 0; x < width; x++, cmyk += 4, rgb += 3) {
        const unsigned white = 255 - (cmyk[3] ^ flip);
        for (int c = 0; c < 3; c++) {
            const unsigned product = (cmyk[c] ^ flip) * white + 128; /* / 255, rounded to nearest */
            rgb[c] = (uint8_t)(white - ((product + (product >> 8)) >> 8));
        }
    }
}

static bool prepare_picture(jpeg_task *t)
{
    struct jpeg_decompress_struct *r = &t->reader;
    jpeg_mem_src(r, t->bytes, t->size);
    jpeg_read_header(r, TRUE);
    const bool grey = r->jpeg_color_space == JCS_GRAYSCALE;
    const bool inks = r->jpeg_color_space == JCS_CMYK || r->jpeg_color_space == JCS_YCCK;
    r->out_color_space = grey ? JCS_GRAYSCALE : inks ? JCS_CMYK : JCS_RGB;
    t->status = picture_create(&t->picture, t->name, r->image_width, r->image_height, grey ? 1 : 3);
    if (t->status != ATTN_OK) return false;
    if (inks && !(t->row = malloc(4 * (size_t)r->image_width))) {
        t->status = status_fail(ATTN_ERROR_MEMORY, "%s: no memory to read it", t->name);
        return false;
    }
    jpeg_start_decompress(r);
    return true;
}

/* false: the status or the words say why. Has no variables of its own, which a jump would leave undefined. */
static bool decode(jpeg_task *t)
{
    if (setjmp(t->jump)) return false;
    jpeg_create_decompress(&t->reader);
    t->reader.progress = &t->progress;
    if (!prepare_picture(t)) return false;
    while (t->reader.output_scanline < t->reader.output_height) {
        uint8_t *to = t->picture.pixels + t->reader.output_scanline * t->picture.width * t->picture.channels;
        jpeg_read_scanlines(&t->reader, &(JSAMPROW){t->row ? t->row : to}, 1);
        if (t->row) cmyk_to_rgb(t->row, t->picture.width, t->reader.saw_Adobe_marker, to);
    }
    jpeg_finish_decompress(&t->reader);
    return true;
}

attn_status picture_from_jpeg(picture *out, const char *name, const void *bytes, size_t size)
{
    memset(out, 0, sizeof *out);
    jpeg_task t = {.name = name, .bytes = bytes, .size = size};
    t.reader.err = jpeg_std_error(&t.errors);
    t.errors.error_exit = leave;
    t.errors.emit_message = refuse_damage;
    t.errors.output_message = stay_silent;
    t.progress.progress_monitor = count_scans;
    bool whole = decode(&t);
    jpeg_destroy_decompress(&t.reader);
    free(t.row);
    if (whole) {
        *out = t.picture;
        return ATTN_OK;
    }
    picture_clear(&t.picture);
    if (t.status != ATTN_OK) return t.status;
    return status_fail(ATTN_ERROR_FORMAT, "%s: JPEG data: %s, expected a whole and undamaged picture", name, t.words);
}
