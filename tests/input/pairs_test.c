#include "../scratch.h"

#include "base/status.h"
#include "input/lines.h"
#include "input/pairs.h"

#include <sys/stat.h>
#include <zlib.h>

#define WRITE(name, text) scratch_write(name, text, sizeof(text) - 1)

static void reads_tab_separated_pairs(void **state)
{
    (void)state;
    const char *path = WRITE("a.tsv", "\xef\xbb\xbfGo.\tVa !\r\nRun!\tCours !\tCC-BY by someone\n\nlast\tdernier");
    pair_texts p = {0};
    assert_int_equal(pair_texts_read_tsv(&p, path), ATTN_OK);
    assert_int_equal(p.count, 3);
    assert_string_equal(p.source[0], "Go.");
    assert_string_equal(p.target[0], "Va !");
    assert_string_equal(p.target[1], "Cours !");
    assert_string_equal(p.target[2], "dernier");
    assert_int_equal(p.empty, 1);
    assert_int_equal(p.invalid, 0);
    pair_texts_clear(&p);
}

static void leaves_out_and_counts_what_cannot_be_learnt(void **state)
{
    (void)state;
    const char *path = WRITE(
        "b.tsv", "good\tbon\nbad\xff\tmal\nnul\0inside\tnul\nsurrogate\t\xed\xa0\x80\n\tno source\nno target\t \n");
    pair_texts p = {0};
    assert_int_equal(pair_texts_read_tsv(&p, path), ATTN_OK);
    assert_int_equal(p.count, 1);
    assert_int_equal(p.invalid, 3);
    assert_int_equal(p.empty, 2);
    assert_non_null(strstr(p.first_invalid, "b.tsv:2"));
    pair_texts_clear(&p);
}

static void names_the_line_without_a_tab(void **state)
{
    (void)state;
    const char *path = WRITE("c.tsv", "one\tun\ntwo deux\n");
    pair_texts p = {0};
    assert_int_equal(pair_texts_read_tsv(&p, path), ATTN_ERROR_FORMAT);
    assert_non_null(strstr(status_message(), "c.tsv:2: no tab"));
    pair_texts_clear(&p);
    assert_int_equal(pair_texts_read_tsv(&p, scratch_path("absent.tsv")), ATTN_ERROR_FILE);
    assert_non_null(strstr(status_message(), "absent.tsv"));
    assert_int_equal(pair_texts_read_tsv(&p, scratch_directory), ATTN_ERROR_FILE);
}

static void reads_gzip_and_tells_when_it_is_cut_short(void **state)
{
    (void)state;
    const char *path = scratch_path("d.tsv.gz");
    gzFile f = gzopen(path, "wb");
    for (int i = 0; i < 50000; i++) gzprintf(f, "source %d\tcible %d\n", i, i * 7919 % 50021);
    gzclose(f);
    pair_texts p = {0};
    assert_int_equal(pair_texts_read_tsv(&p, path), ATTN_OK);
    assert_int_equal(p.count, 50000);
    assert_string_equal(p.target[1], "cible 7919");
    assert_string_equal(p.source[49999], "source 49999");
    pair_texts_clear(&p);
    assert_int_equal(truncate(path, 100000), 0);
    assert_int_equal(pair_texts_read_tsv(&p, path), ATTN_ERROR_FORMAT);
    assert_non_null(strstr(status_message(), "d.tsv.gz"));
    pair_texts_clear(&p);
}

/* As many bytes of text as are asked of zlib at once, stored, and some of gzip's own bytes behind them gone. */
static void tells_that_the_end_of_gzip_is_missing(void **state)
{
    (void)state;
    const char *path = scratch_path("e.tsv.gz");
    gzFile f = gzopen(path, "wb0");
    for (int i = 0; i < 1 << 15; i++) gzputs(f, "a line\t\n");
    gzclose(f);
    struct stat whole;
    assert_int_equal(stat(path, &whole), 0);
    pair_texts p = {0};
    assert_int_equal(pair_texts_read_tsv(&p, path), ATTN_OK);
    pair_texts_clear(&p);
    for (int lost = 1; lost <= 8; lost++) {
        assert_int_equal(truncate(path, whole.st_size - lost), 0);
        assert_int_equal(pair_texts_read_tsv(&p, path), ATTN_ERROR_FORMAT);
        assert_non_null(strstr(status_message(), "e.tsv.gz: the gzip file is damaged or cut short after line 32768"));
        pair_texts_clear(&p);
    }
}

static void pairs_two_aligned_files(void **state)
{
    (void)state;
    const char *source = WRITE("e.en", "one\ntwo\nthree\n"), *target = WRITE("e.fr", "un\ndeux\ntrois\n");
    pair_texts p = {0};
    assert_int_equal(pair_texts_read_aligned(&p, source, target), ATTN_OK);
    assert_int_equal(p.count, 3);
    assert_string_equal(p.target[2], "trois");
    pair_texts_clear(&p);
    target = WRITE("f.fr", "un\ndeux\n");
    assert_int_equal(pair_texts_read_aligned(&p, source, target), ATTN_ERROR_FORMAT);
    assert_non_null(strstr(status_message(), "f.fr ends after line 2"));
    pair_texts_clear(&p);
}

static void reads_lines_of_any_length(void **state)
{
    (void)state;
    const char *path = scratch_path("long");
    FILE *f = fopen(path, "wb");
    for (int i = 0; i < 3000000; i++) fputc('a' + i % 26, f);
    fputs("\r\n\nx", f);
    fclose(f);
    lines *l;
    char *text;
    size_t bytes;
    assert_int_equal(lines_open(&l, path), ATTN_OK);
    assert_int_equal(lines_next(l, &text, &bytes), ATTN_OK);
    assert_int_equal(bytes, 3000000);
    assert_int_equal(text[2999999], 'a' + 2999999 % 26);
    assert_int_equal(lines_next(l, &text, &bytes), ATTN_OK);
    assert_int_equal(bytes, 0);
    assert_non_null(text);
    assert_int_equal(lines_next(l, &text, &bytes), ATTN_OK);
    assert_string_equal(text, "x");
    assert_int_equal(lines_number(l), 3);
    assert_int_equal(lines_next(l, &text, &bytes), ATTN_OK);
    assert_null(text);
    lines_close(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_tab_separated_pairs),
        cmocka_unit_test(leaves_out_and_counts_what_cannot_be_learnt),
        cmocka_unit_test(names_the_line_without_a_tab),
        cmocka_unit_test(reads_gzip_and_tells_when_it_is_cut_short),
        cmocka_unit_test(tells_that_the_end_of_gzip_is_missing),
        cmocka_unit_test(pairs_two_aligned_files),
        cmocka_unit_test(reads_lines_of_any_length),
    };
    return cmocka_run_group_tests(tests, scratch_create, scratch_remove);
}
