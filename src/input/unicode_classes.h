/* Classes of characters as the tokenizers library (Hugging Face) has them, over GLib's Unicode tables. That library's
 * own are those of Unicode 8 in part: of the characters assigned since, some are punctuation or marks here and not
 * there. */
#ifndef INPUT_UNICODE_CLASSES_H
#define INPUT_UNICODE_CLASSES_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Unicode's property White_Space. */
static inline bool is_white_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

static inline bool is_letter(uint32_t c)
{
    return g_unichar_isalpha(c);
}

/* The lower case where it is one character: of all but U+0130. GLib knows letters alone; Roman numerals and letters in
 * circles have cases too. */
static inline uint32_t lower_case(uint32_t c)
{
    if (c >= 0x2160 && c <= 0x216F) return c + 0x10;
    if (c >= 0x24B6 && c <= 0x24CF) return c + 0x1A;
    return g_unichar_tolower(c);
}

/* Categories Nd, Nl and No. */
static inline bool is_number(uint32_t c)
{
    GUnicodeType type = g_unichar_type(c);
    return type == G_UNICODE_DECIMAL_NUMBER || type == G_UNICODE_LETTER_NUMBER || type == G_UNICODE_OTHER_NUMBER;
}

/* ASCII's signs that are no letters or digits, and the categories P. */
static inline bool is_punctuation(uint32_t c)
{
    if (c < 0x80) return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
    switch (g_unichar_type(c)) {
    case G_UNICODE_CONNECT_PUNCTUATION:
    case G_UNICODE_DASH_PUNCTUATION:
    case G_UNICODE_CLOSE_PUNCTUATION:
    case G_UNICODE_FINAL_PUNCTUATION:
    case G_UNICODE_INITIAL_PUNCTUATION:
    case G_UNICODE_OTHER_PUNCTUATION:
    case G_UNICODE_OPEN_PUNCTUATION:
        return true;
    default:
        return false;
    }
}

/* Categories Cc, Cf and Co, but tab and line ends. */
static inline bool is_control(uint32_t c)
{
    if (c == '\t' || c == '\n' || c == '\r') return false;
    switch (g_unichar_type(c)) {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT:
    case G_UNICODE_PRIVATE_USE:
        return true;
    default:
        return false;
    }
}

/* The blocks of Chinese characters that BERT sets apart, each a word of its own. */
static inline bool is_chinese(uint32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
           (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

#endif
