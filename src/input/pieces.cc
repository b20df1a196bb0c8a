#include "input/pieces.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

extern "C" {
#include "base/plural.h"
#include "base/status.h"
#include "formats/regular_file.h"
#include "input/pieces_check.h"
}

struct pieces {
    sentencepiece::SentencePieceProcessor processor;
};

namespace
{

/* Every entry runs in here, so that no exception crosses into C. */
template <typename Body> attn_status guarded(const char *what, Body body)
{
    try {
        return body();
    } catch (const std::bad_alloc &) {
        return status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", what);
    } catch (const std::exception &e) {
        return status_fail(ATTN_ERROR_FORMAT, "%s: %s", what, e.what());
    } catch (...) {
        return status_fail(ATTN_ERROR_FORMAT, "%s: SentencePiece failed without saying why", what);
    }
}

/* Models are a few hundred kilobytes; the largest published ones a few megabytes. */
constexpr std::streamoff largest_model = 64 << 20;

attn_status read_model(const char *path, std::string *bytes)
{
    attn_status s = regular_file_expect(path);
    if (s != ATTN_OK) return s;
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    if (!file) return status_fail(ATTN_ERROR_FILE, "%s: cannot open it: %s", path, strerror(errno));
    std::streamoff size = file.tellg();
    if (size < 0 || !file.seekg(0)) return status_fail(ATTN_ERROR_FILE, "%s: cannot read it", path);
    if (size > largest_model)
        return status_fail(ATTN_ERROR_FORMAT, "%s: %lld bytes, expected a SentencePiece model of at most %lld", path,
                           (long long)size, (long long)largest_model);
    bytes->resize((size_t)size);
    if (size > 0 && !file.read(&(*bytes)[0], size)) return status_fail(ATTN_ERROR_FILE, "%s: cannot read it", path);
    return ATTN_OK;
}

/* The trainer leaves out what is longer than its max_sentence_length. */
constexpr size_t longest_part = 4192;

/* How many of the text's first bytes, more than longest_part in all, make a part: up to a space or, where there is
 * none, whole characters. */
size_t part_of(const char *text)
{
    size_t space = longest_part;
    while (space > 0 && text[space] != ' ') space--;
    if (space > 0) return space;
    size_t end = longest_part;
    while (end > 1 && ((unsigned char)text[end] & 0xC0) == 0x80) end--;
    return end;
}

/* Feeds the caller's lines to the trainer, long ones in parts, without copying them all. */
class LineIterator : public sentencepiece::SentenceIterator
{
  public:
    LineIterator(const char *const *lines, int64_t count) : lines_(lines), count_(count)
    {
        load();
    }
    bool done() const override
    {
        return at_ >= count_;
    }
    void Next() override
    {
        if (begin_ >= bytes_) {
            at_++;
            begin_ = 0;
        }
        load();
    }
    const std::string &value() const override
    {
        return value_;
    }
    sentencepiece::util::Status status() const override
    {
        return sentencepiece::util::Status();
    }

  private:
    void load()
    {
        if (done()) return;
        if (begin_ == 0) bytes_ = strlen(lines_[at_]);
        const char *text = lines_[at_] + begin_;
        const size_t left = bytes_ - begin_, taken = left > longest_part ? part_of(text) : left;
        value_.assign(text, taken);
        begin_ += taken;
    }
    const char *const *lines_;
    int64_t count_, at_ = 0;
    size_t begin_ = 0, bytes_ = 0; /* of what follows in the line that is there; the line's */
    std::string value_;
};

char *copied(const std::string &s)
{
    char *copy = static_cast<char *>(malloc(s.size() + 1));
    if (copy) memcpy(copy, s.data(), s.size() + 1);
    return copy;
}

} // namespace

extern "C" attn_status pieces_parse(pieces **out, const void *model, size_t bytes, const char *name)
{
    return guarded(name, [&] {
        *out = nullptr;
        attn_status s = pieces_check_model(model, bytes, name);
        if (s != ATTN_OK) return s;
        auto p = std::make_unique<pieces>();
        sentencepiece::util::Status loaded =
            p->processor.LoadFromSerializedProto(std::string_view(static_cast<const char *>(model), bytes));
        if (!loaded.ok())
            return status_fail(ATTN_ERROR_FORMAT, "%s: not a usable SentencePiece model: %s", name, loaded.message());
        *out = p.release();
        return ATTN_OK;
    });
}

extern "C" attn_status pieces_open(pieces **out, const char *path)
{
    return guarded(path, [&] {
        *out = nullptr;
        std::string bytes;
        attn_status s = read_model(path, &bytes);
        if (s != ATTN_OK) return s;
        return pieces_parse(out, bytes.data(), bytes.size(), path);
    });
}

extern "C" void pieces_destroy(pieces *p)
{
    delete p;
}

extern "C" attn_status pieces_split(const pieces *p, const char *text, size_t bytes,
                                    void (*each)(void *argument, const char *piece, size_t bytes), void *argument)
{
    return guarded("splitting into pieces", [&] {
        std::vector<std::string> found;
        sentencepiece::util::Status split = p->processor.Encode(std::string_view(text, bytes), &found);
        if (!split.ok()) return status_fail(ATTN_ERROR_FORMAT, "splitting into pieces: %s", split.message());
        for (const std::string &piece : found) each(argument, piece.data(), piece.size());
        return ATTN_OK;
    });
}

extern "C" attn_status pieces_join(const pieces *p, const char *const *piece, int64_t count, char **text)
{
    return guarded("joining pieces", [&] {
        std::vector<std::string> list(piece, piece + count);
        std::string joined;
        sentencepiece::util::Status done = p->processor.Decode(list, &joined);
        if (!done.ok()) return status_fail(ATTN_ERROR_FORMAT, "joining pieces: %s", done.message());
        *text = copied(joined);
        return *text ? ATTN_OK : status_fail(ATTN_ERROR_MEMORY, "joining pieces: out of memory");
    });
}

extern "C" int64_t pieces_count(const pieces *p)
{
    return p->processor.GetPieceSize();
}

extern "C" const char *pieces_name(const pieces *p, int64_t id)
{
    if (id < 0 || id >= pieces_count(p)) return nullptr;
    return p->processor.IdToPiece((int)id).c_str();
}

extern "C" bool pieces_is_special(const pieces *p, int64_t id)
{
    return id >= 0 && id < pieces_count(p) && (p->processor.IsControl((int)id) || p->processor.IsUnknown((int)id));
}

extern "C" double pieces_score(const pieces *p, int64_t id)
{
    return id >= 0 && id < pieces_count(p) ? (double)p->processor.GetScore((int)id) : 0;
}

/* A message without the place in SentencePiece's source and the condition that it begins with. */
static const char *words_of(const char *message)
{
    const char *condition = strstr(message, " [("), *end = condition ? strstr(condition, ")] ") : nullptr;
    return end ? end + 3 : message;
}

extern "C" attn_status pieces_train(const char *const *lines, int64_t count, pieces_normalization normalization,
                                    int64_t vocabulary, uint32_t seed, void **model, size_t *bytes)
{
    return guarded("training SentencePiece", [&] {
        LineIterator iterator(lines, count);
        sentencepiece::SetRandomGeneratorSeed(seed);
        const std::unordered_map<std::string, std::string> options = {
            {"model_type", "unigram"},
            {"normalization_rule_name", normalization == PIECES_IDENTITY ? "identity" : "nmt_nfkc"},
            {"vocab_size", std::to_string(vocabulary)},
            {"hard_vocab_limit", "false"},
            /* Every character that occurs has a piece: nothing of the training text is unknown. */
            {"character_coverage", "1.0"},
            /* Its sums are parted by threads, and round otherwise with another number; more make it no faster. */
            {"num_threads", "1"},
            {"max_sentence_length", std::to_string(longest_part)},
            /* More lines than this teach the pieces nothing and cost memory. */
            {"input_sentence_size", "2000000"},
            {"shuffle_input_sentence", "true"},
            {"minloglevel", "3"},
        };
        std::string trained;
        sentencepiece::util::Status done = sentencepiece::SentencePieceTrainer::Train(options, &iterator, &trained);
        if (!done.ok())
            return status_fail(ATTN_ERROR_ARGUMENT, "training SentencePiece with %lld pieces on %lld line%s: %s",
                               (long long)vocabulary, (long long)count, plural(count), words_of(done.message()));
        *model = copied(trained);
        *bytes = trained.size();
        return *model ? ATTN_OK : status_fail(ATTN_ERROR_MEMORY, "training SentencePiece: out of memory");
    });
}
