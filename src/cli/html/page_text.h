/* SPDX-License-Identifier: MIT */
/* The page as the build has put it together of page.html, page.css and script/ (compose.cmake). It ends with a zero byte. What is
 * still to be filled in stands between two @: TITLE, PLAIN, DATA, BASE.
 */
#ifndef GCI_CLI_HTML_PAGE_TEXT_H
#define GCI_CLI_HTML_PAGE_TEXT_H

extern const char gci_page_text[];

#endif
