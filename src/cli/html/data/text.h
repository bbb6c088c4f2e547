/* SPDX-License-Identifier: MIT */
/* Names as they stand in the page. They come from foreign files, so they may hold anything: what is no UTF-8 becomes U+FFFD,
 * and characters that a reader would not see or that turn the text around (controls, marks of direction) are spelled out.
 * What is written is valid UTF-8 and cannot end the string or element that it stands in.
 */
#ifndef GCI_CLI_HTML_TEXT_H
#define GCI_CLI_HTML_TEXT_H

#include <stdio.h>

void gci_text_json(FILE *stream, const char *text); /* with its quotes; NULL is "" */
void gci_text_html(FILE *stream, const char *text); /* between tags and in quoted attributes */

#endif
