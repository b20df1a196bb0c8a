/* The page as a browser shows it: what happens when somebody points, types and chooses. Skipped where no Chromium is
 * installed. With ATTN_SCREENSHOTS=DIR in the environment the pages and pictures of them are left there, to be looked
 * at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attn/seq.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_OUTPUT ((size_t)64 << 20)
#define BROWSER                                                                                                        \
    "chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir=attention_browser.tmp "    \
    "--virtual-time-budget=20000 --hide-scrollbars "

static char *said; /* what the last visit's script wrote, cut out of the page */

static bool browser_missing(void)
{
    return system("command -v chromium >/dev/null 2>&1") != 0;
}

static void take_screenshot(const char *directory, const char *name, const char *page, const char *way,
                            const char *options)
{
    char command[2000];
    snprintf(command, sizeof command, BROWSER "%s --screenshot='%s/%s-%s.png' 'file://%s' >/dev/null 2>&1", options,
             directory, name, way, page);
    assert_int_equal(system(command), 0);
}

static void take_screenshots(const char *name, const char *page)
{
    const char *directory = getenv("ATTN_SCREENSHOTS");
    if (!directory) return;
    take_screenshot(directory, name, page, "light", "--window-size=1280,1100");
    take_screenshot(directory, name, page, "dark", "--window-size=1280,1100 --blink-settings=preferredColorScheme=0");
    take_screenshot(directory, name, page, "narrow", "--window-size=500,1100");
}

/* Puts the script behind the page's own; it leaves its words by calling say(text). */
static void add_script(const char *page, const char *script)
{
    FILE *f = fopen(page, "a");
    assert_non_null(f);
    fprintf(
        f,
        "<script>\nwindow.requestAnimationFrame = f => setTimeout(f, 16); /* no frame comes where nothing is shown */\n"
        "const wait = () => new Promise(done => setTimeout(done, 60));\n"
        "const says = [];\nconst say = text => says.push(String(text));\n"
        "const press = (id, key, shiftKey) => find(id).dispatchEvent("
        "new KeyboardEvent('keydown', { key, shiftKey: !!shiftKey, bubbles: true, cancelable: true }));\n"
        "const pointAt = element => element.dispatchEvent(new PointerEvent('pointerover', { bubbles: true }));\n"
        "const words = id => [...find(id).querySelectorAll('span')];\n"
        "window.onerror = message => say('ERROR ' + message);\n"
        "(async () => {\n%s\n})().catch(error => say('ERROR ' + error)).then(() => {\n"
        "const out = document.createElement('pre');\nout.id = 'said';\nout.hidden = true;\n"
        "out.textContent = '\\n' + says.join('\\n') + '\\n[end]';\ndocument.body.append(out);\n});\n</script>\n",
        script);
    assert_int_equal(fclose(f), 0);
}

static void visit(const char *name, const attn_seq_attended *inputs, size_t count, const char *script)
{
    char page[1000], command[2000], directory[800];
    assert_non_null(getcwd(directory, sizeof directory));
    snprintf(page, sizeof page, "%s/attention_browser_%s.tmp.html", directory, name);
    if (attn_seq_attention_write_html(inputs, count, page) != ATTN_OK) fail_msg("%s", attn_seq_error());
    add_script(page, script);
    snprintf(command, sizeof command, BROWSER "--window-size=1280,1000 --dump-dom 'file://%s' 2>/dev/null", page);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    char *text = malloc(MOST_OUTPUT);
    assert_non_null(text);
    text[fread(text, 1, MOST_OUTPUT - 1, f)] = 0;
    assert_int_equal(pclose(f), 0);
    char *begin = strstr(text, "<pre id=\"said\"");
    if (!begin) fail_msg("%s: the page said nothing", name);
    *strstr(begin, "[end]") = 0;
    free(said);
    said = strdup(begin);
    free(text);
    take_screenshots(name, page);
    unlink(page);
    if (strstr(said, "ERROR")) fail_msg("%s", said);
}

static void expect(const char *line)
{
    char whole[300];
    snprintf(whole, sizeof whole, "\n%s\n", line);
    if (!strstr(said, whole)) fail_msg("expected \"%s\" among:%s", line, said);
}

/* Weights that differ from cell to cell, head to head and layer to layer, rows summing to 1. */
static float *weights_of(int64_t maps, int64_t rows, int64_t columns)
{
    float *weights = malloc((size_t)(maps * rows * columns) * sizeof *weights);
    assert_non_null(weights);
    for (int64_t m = 0; m < maps; m++)
        for (int64_t i = 0; i < rows; i++) {
            float *row = weights + (m * rows + i) * columns, sum = 0;
            for (int64_t j = 0; j < columns; j++) {
                double away = (double)j - (double)i * (double)columns / (double)rows - (double)(m % 3) + 1;
                row[j] = (float)exp(-away * away / (4 + 3 * (double)m)) + 1e-3f;
                sum += row[j];
            }
            for (int64_t j = 0; j < columns; j++) row[j] /= sum;
        }
    return weights;
}

static const char *const source[] = {"▁Where", "▁is", "▁the", "▁station", "?", "</s>"};
static const char *const target[] = {"▁Où", "▁est", "▁la", "▁gare", "▁?", "</s>"};

static void follows_the_pointer_and_the_keys(void **state)
{
    (void)state;
    if (browser_missing()) skip();
    float *weights = weights_of(6, 6, 6);
    weights[3 * 6 + 2] = 1; /* layer 1, head 1: gare to the */
    const attn_seq_attention kinds[] = {
        {ATTN_SEQ_ATTENTION_CROSS, 2, 3, 6, 6, weights, target, source, NULL},
        {ATTN_SEQ_ATTENTION_ENCODER, 2, 3, 6, 6, weights, source, source, NULL},
    };
    const attn_seq_attended inputs[] = {
        {ATTN_SEQ_TASK_TRANSLATE, "Where is the station?", "Où est la gare ?", kinds, 2},
        {ATTN_SEQ_TASK_TRANSLATE, "Where?", "Où ?", kinds, 1},
    };
    visit("text", inputs, 2,
          "say(document.title); say(find('title').textContent); say(find('about').textContent);\n"
          "say(find('layer').options.length); say(find('cell').textContent === '' ? 'nothing yet' : 'something');\n"
          "find('layer').selectedIndex = 1; find('layer').onchange();\n"
          "find('head').selectedIndex = 1; find('head').onchange();\n"
          "pointAt(words('rows')[3]); await wait(); say(find('cell').textContent);\n"
          "say(words('rows')[3].className); say(words('columns')[2].style.background !== '' ? 'shaded' : 'plain');\n"
          "press('rows', 'ArrowLeft'); await wait(); say(find('cell').textContent.split(':')[0]);\n"
          "pointAt(words('columns')[2]); await wait(); say(find('cell').textContent.split(':')[0]);\n"
          "press('map', 'ArrowDown'); await wait(); say(at.row + ' ' + at.column);\n"
          "press('map', 'h'); say('head ' + find('head').selectedIndex);\n"
          "press('map', 'L', true); say('layer ' + find('layer').selectedIndex);\n"
          "press('map', 'v'); say(find('heads').children.length + ' heads, map ' + find('frame').hidden);\n"
          "find('heads').children[4].click(); say(find('layer').value + ' ' + find('head').value + ' ' + "
          "find('view').selectedIndex);\n"
          "find('kind').selectedIndex = 1; find('kind').onchange();\n"
          "find('layer').selectedIndex = 3; find('layer').onchange(); say(find('layer').value);\n"
          "say(Math.abs(shown.row(2).reduce((a, b) => a + b) - 1) < 1e-3 ? 'sums to 1' : 'does not');\n"
          "find('input').selectedIndex = 1; find('input').onchange(); say(document.title);\n");
    expect("Attention: Où est la gare ?");
    expect("What the translation attends to");
    expect("Attention weights are evidence of where the model looked, not an explanation of why it decided as it did.");
    expect("nothing yet");
    expect("▁gare attends most to ▁the: 1.0000");
    expect("chosen");
    expect("shaded");
    expect("▁la attends most to ▁is");
    expect("▁the gets most from ▁gare");
    expect("1 2");
    expect("head 2");
    expect("layer 0");
    expect("6 heads, map true");
    expect("2 2 0");
    expect("roll-out");
    expect("sums to 1");
    expect("Attention: Où ?");
    free(weights);
}

/* Right to left, wide characters, and what could end a script. */
static void shows_any_script(void **state)
{
    (void)state;
    if (browser_missing()) skip();
    static const char *const arabic[] = {"▁أين", "▁محطة", "▁القطار", "؟", "</s>"};
    static const char *const chinese[] = {"▁火车站", "在", "哪里", "？", "</script>"};
    float *weights = weights_of(4, 5, 5);
    const attn_seq_attention kinds[] = {{ATTN_SEQ_ATTENTION_CROSS, 2, 2, 5, 5, weights, chinese, arabic, NULL},
                                        {ATTN_SEQ_ATTENTION_ENCODER, 2, 2, 5, 5, weights, arabic, arabic, NULL}};
    const attn_seq_attended input = {ATTN_SEQ_TASK_TRANSLATE, "أين محطة القطار؟", "火车站在哪里？", kinds, 2};
    visit("scripts", &input, 1,
          "say(getComputedStyle(find('columns')).direction); say(getComputedStyle(find('rows')).direction);\n"
          "press('columns', 'ArrowLeft'); await wait(); press('columns', 'ArrowLeft'); await wait(); say(at.column);\n"
          "say(getComputedStyle(words('columns')[4]).direction); say(words('rows')[4].textContent); press('rows', "
          "'ArrowDown'); await wait();\n");
    expect("rtl");
    expect("ltr\n1\nltr"); /* </s> is not turned round */
    expect("&lt;/script&gt;");
    free(weights);
}

static uint8_t *picture_of(int64_t width, int64_t height)
{
    uint8_t *pixels = malloc((size_t)(width * height));
    assert_non_null(pixels);
    for (int64_t i = 0; i < width * height; i++) {
        double x = (double)(i % width) / (double)width - 0.5, y = (double)i / (double)(width * height) - 0.5;
        pixels[i] = (uint8_t)(255 * exp(-40 * fabs(x * x + y * y - 0.08)));
    }
    return pixels;
}

static const char **numbered(const char *what, int64_t count)
{
    const char **labels = malloc((size_t)count * sizeof *labels);
    assert_non_null(labels);
    for (int64_t i = 0; i < count; i++) {
        char *text = malloc(40);
        assert_non_null(text);
        snprintf(text, 40, "%s %lld", what, (long long)i);
        labels[i] = text;
    }
    return labels;
}

static void free_labels(const char **labels, int64_t count)
{
    for (int64_t i = 0; i < count; i++) free((void *)labels[i]);
    free(labels);
}

static void lies_over_pictures(void **state)
{
    (void)state;
    if (browser_missing()) skip();
    enum { N = 50, M = 26 };
    uint8_t *image = picture_of(28, 28), *sound = picture_of(90, 24);
    const char **labels = numbered("patch", N);
    float *weights = weights_of(8, N, N), *fewer = weights_of(4, M, M);
    const attn_seq_patches squares = {{28, 28, 1, image}, 1, 7, 7, 4, 4, 4, 4, false};
    const attn_seq_patches tiles = {{90, 24, 1, sound}, 2, 2, 12, 13, 12, 7, 12, true};
    const attn_seq_attention seen = {ATTN_SEQ_ATTENTION_ENCODER, 2, 4, N, N, weights, labels, labels, &squares};
    const attn_seq_attention heard = {ATTN_SEQ_ATTENTION_ENCODER, 2, 2, M, M, fewer, labels, labels, &tiles};
    const attn_seq_attended inputs[] = {{ATTN_SEQ_TASK_CLASSIFY_IMAGE, "seven.png", "7", &seen, 1},
                                        {ATTN_SEQ_TASK_CLASSIFY_AUDIO, "three.wav", "3", &heard, 1}};
    visit("image", inputs, 1,
          "say(find('result').textContent); say('words hidden ' + find('words').hidden);\n"
          "say(find('overlay-caption').textContent);\n"
          "const box = find('picture').getBoundingClientRect();\n"
          "find('picture').dispatchEvent(new PointerEvent('pointermove', { clientX: box.left + box.width * .5, "
          "clientY: box.top + box.height * .2, bubbles: true }));\n"
          "await wait(); say(find('overlay-caption').textContent);\n"
          "press('picture', 'ArrowDown'); await wait(); say(find('overlay-caption').textContent);\n"
          "press('picture', 'v'); say(find('heads').children.length + ' heads'); press('picture', 'v');\n");
    expect("seven.png: 7");
    expect("words hidden true");
    expect("where patch 0 attends");
    expect("where patch 11 attends"); /* second row, fourth column */
    expect("where patch 18 attends");
    expect("8 heads");
    visit("audio", inputs, 2,
          "find('input').selectedIndex = 1; find('input').onchange(); say(find('result').textContent);\n"
          "say(find('picture-caption').textContent);\n"
          "press('picture', 'ArrowRight'); await wait(); say(at.row); press('picture', 'ArrowUp'); await wait();\n"
          "say(at.row); press('picture', 'v');\n");
    expect("three.wav: 3");
    expect("what the model saw: choose a patch; time runs right, frequency up");
    expect("2");
    expect("14");
    free_labels(labels, N);
    free(weights);
    free(fewer);
    free(image);
    free(sound);
}

static void holds_two_thousand_tokens(void **state)
{
    (void)state;
    if (browser_missing()) skip();
    enum { N = 2000 };
    const char **labels = numbered("w", N);
    float *weights = weights_of(4, N, N);
    const attn_seq_attention kind = {ATTN_SEQ_ATTENTION_ENCODER, 2, 2, N, N, weights, labels, labels, NULL};
    const attn_seq_attended input = {ATTN_SEQ_TASK_CLASSIFY_TEXT, "w 0 w 1 ...", "positive", &kind, 1};
    visit("long", &input, 1,
          "say(words('rows').length); say(find('kept').hidden);\n"
          "const before = performance.now(); pointAt(words('rows')[1234]); await wait();\n"
          "say(find('cell').textContent.split(':')[0]); say('map hidden ' + find('frame').hidden);\n"
          "find('layer').selectedIndex = 3; find('layer').onchange(); say('map hidden ' + find('frame').hidden);\n"
          "say(Math.abs(shown.row(1234).reduce((a, b) => a + b) - 1) < 1e-2 ? 'sums to 1' : 'does not');\n"
          "find('layer').selectedIndex = 0; find('layer').onchange(); press('map', 'v');\n"
          "say(find('heads').children.length + ' heads'); press('map', 'v');\n");
    expect("2000");
    expect("false");
    expect("w 1234 attends most to w 1234");
    expect("map hidden false");
    expect("map hidden true");
    expect("sums to 1");
    expect("4 heads");
    free_labels(labels, N);
    free(weights);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_pointer_and_the_keys),
        cmocka_unit_test(shows_any_script),
        cmocka_unit_test(lies_over_pictures),
        cmocka_unit_test(holds_two_thousand_tokens),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(said);
    return failed;
}
