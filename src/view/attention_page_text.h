/* The bytes of attention_page.html with its style and scripts, ended by a zero: CMake turns the files into a source
 * when it configures. */
#ifndef VIEW_ATTENTION_PAGE_TEXT_H
#define VIEW_ATTENTION_PAGE_TEXT_H

extern const unsigned char attention_page_text[];

#endif
