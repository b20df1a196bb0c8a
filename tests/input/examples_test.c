#include "attn/seq.h"
#include "input/example_plan.h"
#include "input/examples.h"
#include "../scratch.h"

#include <sys/stat.h>

static example_list list;

static int clear_list(void **state)
{
    (void)state;
    example_list_clear(&list);
    return 0;
}

static const char *write_text(const char *name, const char *text)
{
    return scratch_write(name, text, strlen(text));
}

static void make_file(const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "%s", scratch_path(name));
    for (char *at = path + strlen(scratch_directory) + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        mkdir(path, 0700);
        *at = '/';
    }
    write_text(name, "");
}

static void assert_example(int64_t i, const char *label, const char *content)
{
    assert_string_equal(list.labels.names[list.label[i]], label);
    assert_string_equal(list.content[i], content);
}

static void reads_labelled_lines(void **state)
{
    (void)state;
    const char *path = write_text("a.tsv", "\xef\xbb\xbf"
                                           "good\tfine\tand more\r\n\nbad\tpoor\ngood\t \nbad\t\xff\n");
    example_kind kind;
    assert_int_equal(example_kind_of(path, &kind), ATTN_OK);
    assert_int_equal(kind, EXAMPLES_TEXT);
    assert_int_equal(example_list_read(&list, path, NULL, kind), ATTN_OK);
    assert_int_equal(list.count, 2);
    assert_example(0, "good", "fine\tand more");
    assert_example(1, "bad", "poor");
    assert_string_equal(list.labels.names[0], "bad");
    assert_int_equal(list.empty, 2);
    assert_int_equal(list.invalid, 1);
    assert_non_null(strstr(list.first_invalid, "a.tsv:5"));
}

static void sorts_numbers_by_value(void **state)
{
    (void)state;
    const char *path = write_text("n.tsv", "10\ta\nx\tb\n9\tc\n-1\td\n");
    assert_int_equal(example_list_read(&list, path, NULL, EXAMPLES_TEXT), ATTN_OK);
    static const char *const expected[] = {"-1", "9", "10", "x"};
    assert_int_equal(list.labels.count, 4);
    for (int i = 0; i < 4; i++) assert_string_equal(list.labels.names[i], expected[i]);
    assert_example(0, "10", "a");
    assert_example(3, "-1", "d");
}

static void reads_lists_beside_their_files(void **state)
{
    (void)state;
    const char *path = write_text("l.tsv", "a\tx/1.wav\nb\t/y/2.WAV\n");
    example_kind kind;
    assert_int_equal(example_kind_of(path, &kind), ATTN_OK);
    assert_int_equal(kind, EXAMPLES_AUDIO);
    assert_int_equal(example_list_read(&list, path, NULL, kind), ATTN_OK);
    assert_example(0, "a", scratch_path("x/1.wav"));
    assert_example(1, "b", "/y/2.WAV");
    example_list_clear(&list);
    assert_int_equal(example_list_read(&list, path, NULL, EXAMPLES_IMAGE), ATTN_ERROR_FORMAT);
    assert_non_null(strstr(attn_seq_error(), "l.tsv:1"));
}

static void reads_folders(void **state)
{
    (void)state;
    make_file("f/dog/2.png");
    make_file("f/dog/1.JPG");
    make_file("f/cat/3.jpeg");
    make_file("f/cat/notes.txt");
    make_file("f/cat/.hidden.png");
    make_file("f/README");
    example_kind kind;
    assert_int_equal(example_kind_of(scratch_path("f"), &kind), ATTN_OK);
    assert_int_equal(kind, EXAMPLES_IMAGE);
    make_file("tab/d\to\tg/1.png");
    assert_int_equal(example_list_read(&list, scratch_path("tab"), NULL, kind), ATTN_ERROR_FORMAT);
    assert_non_null(strstr(attn_seq_error(), "its name, a label, holds a tab or a line break"));
    example_list_clear(&list);
    assert_int_equal(example_list_read(&list, scratch_path("f"), NULL, kind), ATTN_OK);
    assert_int_equal(list.count, 3);
    assert_int_equal(list.skipped, 1);
    assert_example(0, "cat", scratch_path("f/cat/3.jpeg"));
    assert_example(1, "dog", scratch_path("f/dog/1.JPG"));
    assert_example(2, "dog", scratch_path("f/dog/2.png"));
    make_file("g/empty/x.txt");
    assert_int_equal(example_kind_of(scratch_path("g"), &kind), ATTN_ERROR_FORMAT);
}

/* Images of 1 x 2 pixels, and their labels. */
static const unsigned char images[] = {0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 10, 11, 20, 21, 30, 31};
static const unsigned char labels[] = {0, 0, 8, 1, 0, 0, 0, 3, 7, 0, 7};

static void reads_idx_with_its_labels(void **state)
{
    (void)state;
    scratch_write("train-labels-idx1-ubyte", labels, sizeof labels);
    const char *path = scratch_write("train-images-idx3-ubyte", images, sizeof images);
    example_kind kind;
    assert_int_equal(example_kind_of(path, &kind), ATTN_OK);
    assert_int_equal(kind, EXAMPLES_IMAGE);
    assert_int_equal(example_list_read(&list, path, NULL, kind), ATTN_OK);
    assert_int_equal(list.count, 3);
    assert_int_equal(list.width, 2);
    assert_int_equal(list.height, 1);
    assert_string_equal(list.labels.names[0], "0");
    assert_int_equal(list.label[2], 1);
    example_list_clear(&list);
    const char *alone = scratch_write("alone", images, sizeof images);
    assert_int_equal(example_list_read(&list, alone, NULL, kind), ATTN_ERROR_ARGUMENT);
    assert_int_equal(example_list_read(&list, alone, scratch_path("train-labels-idx1-ubyte"), kind), ATTN_OK);
    example_list_clear(&list);
    assert_int_equal(example_list_read(&list, alone, alone, kind), ATTN_ERROR_FORMAT);
    assert_non_null(strstr(attn_seq_error(), "alone: rank is 3, expected 1, as labels have"));
    example_list_clear(&list);
    const unsigned char fewer[] = {0, 0, 8, 1, 0, 0, 0, 2, 7, 0};
    const char *few = scratch_write("fewer", fewer, sizeof fewer);
    assert_int_equal(example_list_read(&list, alone, few, kind), ATTN_ERROR_FORMAT);
    assert_non_null(strstr(attn_seq_error(), "fewer: dimension 0, the count of labels, is 2, expected 3, as many as "));
    example_list_clear(&list);
    assert_int_equal(example_list_read(&list, few, few, kind), ATTN_ERROR_FORMAT);
    assert_non_null(strstr(attn_seq_error(), "fewer: rank is 1, expected 3, as images have"));
    example_list_clear(&list);
    const unsigned char flat[] = {0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 2};
    assert_int_equal(example_list_read(&list, scratch_write("flat", flat, sizeof flat), few, kind), ATTN_ERROR_FORMAT);
    assert_non_null(strstr(attn_seq_error(), "flat: dimension 1, the height of an image, is 0, expected at least 1"));
}

static void holds_out_every_third(void **state)
{
    (void)state;
    example_list held;
    scratch_write("train-labels-idx1-ubyte", labels, sizeof labels);
    const char *path = scratch_write("train-images-idx3-ubyte", images, sizeof images);
    assert_int_equal(example_list_read(&list, path, NULL, EXAMPLES_IMAGE), ATTN_OK);
    assert_int_equal(example_list_hold_out(&list, 3, 1, &held), ATTN_OK);
    assert_int_equal(list.count, 2);
    assert_int_equal(held.count, 1);
    assert_memory_equal(list.pixels, ((unsigned char[]){10, 11, 30, 31}), 4);
    assert_memory_equal(held.pixels, ((unsigned char[]){20, 21}), 2);
    assert_string_equal(held.labels.names[held.label[0]], "0");
    example_list_clear(&held);
    example_list_clear(&list);
    path = write_text("h.tsv", "a\t0\nb\t1\na\t2\nb\t3\n");
    assert_int_equal(example_list_read(&list, path, NULL, EXAMPLES_TEXT), ATTN_OK);
    assert_int_equal(example_list_hold_out(&list, 3, 0, &held), ATTN_OK);
    assert_int_equal(held.count, 2);
    assert_string_equal(held.content[1], "3");
    assert_example(1, "a", "2");
    example_list_clear(&held);
}

static void relabels_or_names_what_is_unknown(void **state)
{
    (void)state;
    example_list other = {0};
    assert_int_equal(example_list_read(&list, write_text("r.tsv", "c\t1\na\t2\n"), NULL, EXAMPLES_TEXT), ATTN_OK);
    assert_int_equal(example_list_read(&other, write_text("s.tsv", "a\t1\nb\t1\nc\t1\n"), NULL, EXAMPLES_TEXT),
                     ATTN_OK);
    assert_int_equal(example_list_relabel(&list, other.labels.names, other.labels.count, "r.tsv", "the model"),
                     ATTN_OK);
    assert_int_equal(list.label[0], 2);
    assert_example(1, "a", "2");
    example_list_clear(&list);
    assert_int_equal(example_list_read(&list, scratch_path("r.tsv"), NULL, EXAMPLES_TEXT), ATTN_OK);
    assert_int_equal(example_list_relabel(&other, list.labels.names, list.labels.count, "s.tsv", "the model"),
                     ATTN_ERROR_FORMAT);
    assert_non_null(strstr(attn_seq_error(), "s.tsv: label \"b\" is none of the 2 that the model has: \"a\", \"c\"; "));
    example_list_clear(&other);
}

/* So many that each could not be compared with all others for every line; and a name that a model has twice. */
static void finds_a_label_among_many(void **state)
{
    (void)state;
    label_list many = {0};
    char name[32];
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 5000; i++) {
            const int length = snprintf(name, sizeof name, "%d and more", (i * 7919) % 5000);
            assert_int_equal(label_list_add(&many, name, (size_t)length - 9), i);
        }
    assert_int_equal(many.count, 5000);
    int64_t *place = calloc(5000, sizeof *place);
    assert_int_equal(label_list_sort(&many, place), ATTN_OK);
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "%d", i);
        assert_int_equal(label_list_find(&many, name), i);
        assert_int_equal(place[i], (i * 7919) % 5000);
    }
    free(place);
    assert_int_equal(label_list_find(&many, "5000"), -1);
    assert_int_equal(label_list_find(&many, ""), -1);
    label_list_clear(&many);
    assert_int_equal(label_list_find(&many, "1"), -1);
    char *twice[] = {"x", "y", "x", "z"};
    assert_int_equal(label_list_copy(&many, twice, 4), ATTN_OK);
    assert_int_equal(many.count, 4);
    assert_int_equal(label_list_find(&many, "x"), 0);
    assert_int_equal(label_list_find(&many, "z"), 3);
    label_list_clear(&many);
}

static void names_what_is_wrong(void **state)
{
    (void)state;
    assert_int_equal(example_list_read(&list, write_text("w.tsv", "a\tb\nno tab\n"), NULL, EXAMPLES_TEXT),
                     ATTN_ERROR_FORMAT);
    assert_non_null(strstr(attn_seq_error(), "w.tsv:2: no label in \"no tab\""));
    example_list_clear(&list);
    assert_int_equal(example_list_read(&list, write_text("e.tsv", "\n"), NULL, EXAMPLES_TEXT), ATTN_ERROR_FORMAT);
    example_list_clear(&list);
    assert_int_equal(example_list_read(&list, scratch_path("absent"), NULL, EXAMPLES_TEXT), ATTN_ERROR_FILE);
}

enum { COUNT = 1000, SIZE = 7 };

/* Whose first examples would be lost where its beginning tells what it holds. */
static void refuses_a_pipe(void **state)
{
    (void)state;
    static const char text[] = "good\ta film\nbad\tno film\n";
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], text, sizeof text - 1), sizeof text - 1);
    close(ends[1]);
    char path[32];
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    example_kind kind;
    assert_int_equal(example_kind_of(path, &kind), ATTN_ERROR_FILE);
    assert_int_equal(example_list_read(&list, path, NULL, EXAMPLES_TEXT), ATTN_ERROR_FILE);
    assert_non_null(strstr(attn_seq_error(), ": a pipe or a device, expected a file or a folder"));
    close(ends[0]);
}

static void plans_every_example_once(void **state)
{
    (void)state;
    int64_t lengths[COUNT];
    for (int64_t i = 0; i < COUNT; i++) lengths[i] = i * 37 % 101;
    example_plan one, two;
    for (int with = 0; with < 2; with++) {
        assert_int_equal(example_plan_create(&one, COUNT, SIZE, with ? lengths : NULL, 1), ATTN_OK);
        assert_int_equal(example_plan_create(&two, COUNT, SIZE, with ? lengths : NULL, 2), ATTN_OK);
        assert_int_equal(one.batches, (COUNT + SIZE - 1) / SIZE);
        assert_memory_not_equal(one.order, two.order, COUNT * sizeof *one.order);
        bool seen[COUNT] = {false};
        int64_t padded = 0;
        for (int64_t b = 0; b < one.batches; b++) {
            int64_t longest = 0;
            for (int64_t i = 0; i < example_plan_size(&one, b); i++) {
                int64_t example = one.order[example_plan_begin(&one, b) + i];
                assert_false(seen[example]);
                seen[example] = true;
                if (lengths[example] > longest) longest = lengths[example];
            }
            padded += longest * example_plan_size(&one, b);
        }
        for (int i = 0; i < COUNT; i++) assert_true(seen[i]);
        if (with) assert_true(padded < COUNT * 50 * 11 / 10);
        example_plan_clear(&one);
        example_plan_clear(&two);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(reads_labelled_lines, clear_list),
        cmocka_unit_test_teardown(sorts_numbers_by_value, clear_list),
        cmocka_unit_test_teardown(reads_lists_beside_their_files, clear_list),
        cmocka_unit_test_teardown(reads_folders, clear_list),
        cmocka_unit_test_teardown(reads_idx_with_its_labels, clear_list),
        cmocka_unit_test_teardown(holds_out_every_third, clear_list),
        cmocka_unit_test(finds_a_label_among_many),
        cmocka_unit_test_teardown(relabels_or_names_what_is_unknown, clear_list),
        cmocka_unit_test_teardown(names_what_is_wrong, clear_list),
        cmocka_unit_test_teardown(refuses_a_pipe, clear_list),
        cmocka_unit_test(plans_every_example_once),
    };
    return cmocka_run_group_tests(tests, scratch_create, scratch_remove);
}
